"""Pack all training data into one small file: prepared on a CPU, used on a GPU.

The file has the codes and tokens of all shards, the codebooks, and as much audio as fits into
the limit. Audio is stored losslessly at the teacher's 16 kHz, as differences, which compress well.
"""

import argparse
import io
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.config import SAMPLE_RATE, Work, shard_speaker
from training.data.features import resampled
from training.data.teacher import load_shard, save_shard

LIMIT = 60_000_000  # bytes
MARGIN = 100_000  # for the headers of the archive
SAMPLE = 100  # utterances for estimating the size of all
PACKED = ("codes", "pronounced")
AUDIO = "features"


def narrowed(wave: NDArray[np.int16]) -> NDArray[np.int16]:
    """Resample 24 kHz to 16 kHz; the teacher has nothing above 8 kHz."""
    whole = np.pad(wave.astype(np.float64), (0, -len(wave) % 3))
    length = len(whole) // 3 * 2
    spectrum = np.fft.rfft(whole)
    low = np.fft.irfft(spectrum[: length // 2 + 1], length) * 2 / 3
    return low.round().clip(-32768, 32767).astype(np.int16)


def widened(wave: NDArray[np.int16], length: int) -> NDArray[np.int16]:
    """Resample 16 kHz to 24 kHz, (length,)."""
    wide = (resampled(wave) * 32768).round().clip(-32768, 32767).astype(np.int16)
    return np.pad(wide, (0, max(0, length - len(wide))))[:length]


def _zipped(columns: dict[str, NDArray[np.generic]]) -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **columns)  # type: ignore[arg-type]
    return buffer.getvalue()


def _add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = len(content)
    archive.addfile(entry, io.BytesIO(content))


def _zipped_audio(waves: list[NDArray[np.int16]]) -> bytes:
    narrow = [narrowed(wave) for wave in waves]
    return _zipped(
        {
            "lengths": np.array([len(wave) for wave in waves]),
            "narrow_lengths": np.array([len(wave) for wave in narrow]),
            "differences": np.concatenate([np.diff(wave, prepend=np.int16(0)) for wave in narrow]),
        }
    )


def _first_audio(work: Work) -> dict[str, Path]:
    """Return each speaker's first shard that has audio."""
    found: dict[str, Path] = {}
    for path in work.shards(AUDIO):
        if "wave" in np.load(path).files:
            found.setdefault(shard_speaker(int(path.stem)).name, path)
    return found


def pack(work: Work, output: Path, limit: int = LIMIT) -> float:
    """Write the file. All speakers get the same number of bytes for audio.

    Args:
        work: the training run to pack.
        output: the file to write.
        limit: maximum size in bytes.

    Returns:
        Seconds of audio in the file.

    Raises:
        SystemExit: Codes and tokens alone exceed the limit.
    """
    seconds = 0.0
    with tarfile.open(output, "w", dereference=True) as archive:
        archive.add(work.root / "codebooks.npz", "codebooks.npz")
        for stage in PACKED:
            for path in work.shards(stage):
                with np.load(path) as data:
                    _add(archive, f"{stage}/{path.name}", _zipped(dict(data)))
        audio = _first_audio(work)
        room = (limit - archive.offset - MARGIN) // max(1, len(audio))
        if room < 0:
            raise SystemExit(
                f"{archive.offset} bytes without audio exceed the {limit} allowed: use fewer shards"
            )
        for path in audio.values():
            waves = [wave.astype(np.int16) for wave in load_shard(path)["wave"]]
            each = len(_zipped_audio(waves[:SAMPLE])) / len(waves[:SAMPLE])
            waves = waves[: int(0.95 * room / each)]
            seconds += sum(map(len, waves)) / SAMPLE_RATE
            _add(archive, f"{AUDIO}/{path.name}", _zipped_audio(waves))
    return seconds


def unpack(file: Path, work: Work) -> None:
    """Unpack the file into the work folder."""
    work.root.mkdir(parents=True, exist_ok=True)
    with tarfile.open(file) as archive:
        # Filters exist since Python 3.11.4; the file is our own.
        safe: dict[str, Any] = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}
        archive.extractall(work.root, **safe)
    for path in work.shards(AUDIO):
        with np.load(path) as data:
            parts = dict(data)
        if "differences" not in parts:
            continue
        parts_of_audio = np.split(parts["differences"], np.cumsum(parts["narrow_lengths"])[:-1])
        narrow = [np.cumsum(part, dtype=np.int16) for part in parts_of_audio]
        lengths = parts["lengths"].tolist()
        waves = [widened(*pair) for pair in zip(narrow, lengths, strict=True)]
        save_shard(path, wave=list(waves))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, default=Work().root)
    parser.add_argument(
        "--output", type=Path, help="file to write; default: prepared.tar in the work folder"
    )
    options = parser.parse_args()
    output = options.output or options.work / "prepared.tar"
    seconds = pack(Work(options.work), output)
    print(f"{output}: {output.stat().st_size / 1e6:.1f} MB, {seconds / 60:.0f} min of audio")


if __name__ == "__main__":
    main()
