"""Pack all training data into one small file: prepared on a CPU, used on a GPU.

The file has codebook 0, the codes and tokens of all shards, and as much audio (FLAC) as fits into
the limit.
"""

import argparse
import io
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from numpy.typing import NDArray

from training.config import SAMPLE_RATE, Work, shard_speaker
from training.data.shards import load_shard, save_shard

LIMIT = 60_000_000  # bytes
MARGIN = 100_000  # for the headers of the archive
SAMPLE = 100  # utterances for estimating the size of all
CODES, AUDIO = "codes", "features"


def _add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = len(content)
    archive.addfile(entry, io.BytesIO(content))


def _zipped(path: Path) -> bytes:
    buffer = io.BytesIO()
    with np.load(path) as data:
        np.savez_compressed(buffer, **dict(data))
    return buffer.getvalue()


def _flac(waves: list[NDArray[np.int16]]) -> bytes:
    buffer = io.BytesIO()
    soundfile.write(buffer, np.concatenate(waves), SAMPLE_RATE, format="FLAC", subtype="PCM_16")
    return buffer.getvalue()


def _audio_shards(work: Work) -> list[list[Path]]:
    """Return the shards that have audio, by speaker."""
    found: dict[str, list[Path]] = {}
    for path in work.shards(AUDIO):
        if "wave" in np.load(path).files:
            found.setdefault(shard_speaker(int(path.stem)).name, []).append(path)
    return list(found.values())


def _add_audio(archive: tarfile.TarFile, paths: list[Path], room: float) -> int:
    """Add the audio of shards until `room` bytes are full; return the number of samples."""
    samples = 0
    for path in paths:
        waves = [wave.astype(np.int16) for wave in load_shard(path)["wave"]]
        each = len(_flac(waves[:SAMPLE])) / len(waves[:SAMPLE])
        waves = waves[: int(0.95 * room / each)]
        if not waves:
            break
        content = _flac(waves)
        _add(archive, f"{AUDIO}/{path.stem}.flac", content)
        lengths = np.array([len(wave) for wave in waves], np.int64)
        _add(archive, f"{AUDIO}/{path.stem}.lengths", lengths.tobytes())
        room -= len(content)
        samples += int(lengths.sum())
    return samples


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
    with tarfile.open(output, "w", dereference=True) as archive:
        archive.add(work.codebook, work.codebook.name)
        for path in work.shards(CODES):
            _add(archive, f"{CODES}/{path.name}", _zipped(path))
        room = limit - archive.offset - MARGIN
        if room < 0:
            raise SystemExit(
                f"{archive.offset} bytes without audio exceed the {limit} allowed: use fewer shards"
            )
        speakers = _audio_shards(work)
        samples = [_add_audio(archive, paths, room / len(speakers)) for paths in speakers]
    return sum(samples) / SAMPLE_RATE


def unpack(file: Path, work: Work) -> None:
    """Unpack the file into the work folder."""
    work.root.mkdir(parents=True, exist_ok=True)
    with tarfile.open(file) as archive:
        # Filters exist since Python 3.11.4; the file is our own.
        safe: dict[str, Any] = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}
        archive.extractall(work.root, **safe)
    for path in sorted((work.root / AUDIO).glob("*.flac")):
        samples, _ = soundfile.read(path, dtype="int16")
        lengths = np.fromfile(path.with_suffix(".lengths"), np.int64)
        waves = np.split(samples, np.cumsum(lengths)[:-1])
        save_shard(path.with_suffix(".npz"), wave=list(waves))
        path.unlink()
        path.with_suffix(".lengths").unlink()


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
