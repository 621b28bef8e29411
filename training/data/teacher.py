"""Synthesize the texts with the teacher, CMU flite, through ctypes: audio, phones, pitch track.

Writes one .npz per shard, so an interrupted run can be continued.
"""

import argparse
import ctypes
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from training.config import PHONES, SHARD_TEXTS, Work, shard_speaker

FRAME_SECONDS = 0.005
TEACHER_RATE = 16_000


class _Utterance(ctypes.Structure):
    _fields_ = (("features", ctypes.c_void_p),)


class _Relation(ctypes.Structure):
    _fields_ = (
        ("name", ctypes.c_char_p),
        ("features", ctypes.c_void_p),
        ("utterance", ctypes.c_void_p),
        ("head", ctypes.c_void_p),
    )


class _Track(ctypes.Structure):
    _fields_ = (
        ("type", ctypes.c_char_p),
        ("num_frames", ctypes.c_int),
        ("num_channels", ctypes.c_int),
        ("times", ctypes.POINTER(ctypes.c_float)),
        ("frames", ctypes.POINTER(ctypes.POINTER(ctypes.c_float))),
    )


class _Wave(ctypes.Structure):
    _fields_ = (
        ("type", ctypes.c_char_p),
        ("sample_rate", ctypes.c_int),
        ("num_samples", ctypes.c_int),
        ("num_channels", ctypes.c_int),
        ("samples", ctypes.POINTER(ctypes.c_short)),
    )


class _Stream(ctypes.Structure):
    _fields_ = (("least_samples", ctypes.c_int), ("callback", ctypes.c_void_p))


# (wave, first sample, samples, whether it is the last, stream) -> 0 to continue, -1 to stop
_StreamCallback = ctypes.CFUNCTYPE(
    ctypes.c_int,
    ctypes.c_void_p,
    ctypes.c_int,
    ctypes.c_int,
    ctypes.c_int,
    ctypes.c_void_p,
)


class _Voice(ctypes.Structure):
    _fields_ = (("name", ctypes.c_char_p), ("features", ctypes.c_void_p))


@dataclass(frozen=True)
class Reading:
    """One sentence spoken by the teacher."""

    wave: NDArray[np.int16]  # (samples,) at 16 kHz
    phones: NDArray[np.uint8]  # (phones,) index into PHONES
    ends: NDArray[np.float32]  # (phones,) seconds
    f0: NDArray[np.float32]  # (frames,) Hz every 5 ms, 0 in pauses


class Flite:
    """One flite voice in this process."""

    def __init__(self, voice: str) -> None:
        self._lib = ctypes.CDLL("libflite.so.1", mode=ctypes.RTLD_GLOBAL)
        for name in ("cmulex", "usenglish"):
            ctypes.CDLL(f"libflite_{name}.so.1", mode=ctypes.RTLD_GLOBAL)
        self._declare()
        self._lib.flite_init()
        library = ctypes.CDLL(f"libflite_cmu_us_{voice}.so.1", mode=ctypes.RTLD_GLOBAL)
        register = getattr(library, f"register_cmu_us_{voice}")
        register.restype = ctypes.c_void_p
        register.argtypes = [ctypes.c_char_p]
        self._voice = register(None)

    def _declare(self) -> None:
        pointer, text, lib = ctypes.c_void_p, ctypes.c_char_p, self._lib
        for name, result, arguments in (
            ("flite_synth_text", pointer, [text, pointer]),
            ("utt_relation", ctypes.POINTER(_Relation), [pointer, text]),
            ("item_next", pointer, [pointer]),
            ("item_feat_string", text, [pointer, text]),
            ("item_feat_float", ctypes.c_float, [pointer, text]),
            ("feat_val", pointer, [pointer, text]),
            ("val_track", ctypes.POINTER(_Track), [pointer]),
            ("utt_wave", ctypes.POINTER(_Wave), [pointer]),
            ("delete_utterance", None, [pointer]),
            ("new_audio_streaming_info", ctypes.POINTER(_Stream), []),
            ("audio_streaming_info_val", pointer, [ctypes.POINTER(_Stream)]),
            ("feat_set", None, [pointer, text, pointer]),
        ):
            function = getattr(lib, name)
            function.restype, function.argtypes = result, arguments

    def read(self, text: str) -> Reading:
        """Speak one sentence."""
        utterance = self._lib.flite_synth_text(text.encode("ascii"), self._voice)
        try:
            phones, ends = self._segments(utterance)
            wave = self._lib.utt_wave(utterance).contents
            samples = np.ctypeslib.as_array(wave.samples, (wave.num_samples,)).copy()
            return Reading(samples, phones, ends, self._pitch(utterance))
        finally:
            self._lib.delete_utterance(utterance)

    def _segments(self, utterance: int) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
        item = self._lib.utt_relation(utterance, b"Segment").contents.head
        phones, ends = [], []
        while item:
            phones.append(PHONES.index(self._lib.item_feat_string(item, b"name").decode()))
            ends.append(self._lib.item_feat_float(item, b"end"))
            item = self._lib.item_next(item)
        return np.array(phones, np.uint8), np.array(ends, np.float32)

    def _pitch(self, utterance: int) -> NDArray[np.float32]:
        features = ctypes.cast(utterance, ctypes.POINTER(_Utterance)).contents.features
        track = self._lib.val_track(self._lib.feat_val(features, b"param_track")).contents
        return np.array([track.frames[i][0] for i in range(track.num_frames)], np.float32)


class SilentFlite(Flite):
    """A flite voice that only times the phones: it stops before computing the first sample."""

    def __init__(self, voice: str) -> None:
        super().__init__(voice)
        self._stop = _StreamCallback(lambda *_: -1)
        stream = self._lib.new_audio_streaming_info()
        stream.contents.least_samples = 1
        stream.contents.callback = ctypes.cast(self._stop, ctypes.c_void_p).value
        features = ctypes.cast(self._voice, ctypes.POINTER(_Voice)).contents.features
        self._lib.feat_set(features, b"streaming_info", self._lib.audio_streaming_info_val(stream))

    def spell(self, text: str) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
        """Return the phones (index into PHONES) and their ends in seconds, as `read` does."""
        utterance = self._lib.flite_synth_text(text.encode("ascii"), self._voice)
        try:
            return self._segments(utterance)
        finally:
            self._lib.delete_utterance(utterance)


def _packed(name: str, arrays: list[NDArray[np.generic]]) -> dict[str, NDArray[np.generic]]:
    """Pack arrays of different lengths into one array and their lengths."""
    lengths = np.array([len(array) for array in arrays], np.int64)
    return {name: np.concatenate(arrays), f"{name}_lengths": lengths}


def unpacked(shard: dict[str, NDArray[np.generic]], name: str) -> list[NDArray[np.generic]]:
    """Return the arrays of a column: the inverse of how shards store them."""
    return np.split(shard[name], np.cumsum(shard[f"{name}_lengths"])[:-1])


def save_shard(path: Path, **columns: list[NDArray[np.generic]]) -> None:
    """Write columns of arrays of different lengths atomically."""
    path.parent.mkdir(parents=True, exist_ok=True)
    parts: dict[str, NDArray[np.generic]] = {}
    for name, arrays in columns.items():
        parts |= _packed(name, arrays)
    temporary = path.with_suffix(".tmp.npz")
    np.savez(temporary, **parts)  # type: ignore[arg-type]
    temporary.rename(path)


def load_shard(path: Path) -> dict[str, list[NDArray[np.generic]]]:
    """Load all columns of a shard."""
    with np.load(path) as data:
        parts = dict(data)
    names = [name for name in parts if not name.endswith("_lengths")]
    return {name: unpacked(parts, name) for name in names}


def read_shard(work: Work, index: int) -> str:
    """Synthesize the texts of a shard, unless it exists; return a log line."""
    path = work.shard("teacher", index)
    if path.exists():
        return f"{path.name} exists"
    texts = work.texts.read_text().splitlines()[index * SHARD_TEXTS : (index + 1) * SHARD_TEXTS]
    flite = Flite(shard_speaker(index).name)
    readings = [flite.read(text) for text in texts]
    save_shard(
        path,
        text=[np.frombuffer(text.encode("ascii"), np.uint8) for text in texts],
        wave=[reading.wave for reading in readings],
        phones=[reading.phones for reading in readings],
        ends=[reading.ends for reading in readings],
        f0=[reading.f0 for reading in readings],
    )
    seconds = sum(len(reading.wave) for reading in readings) / TEACHER_RATE
    return f"{path.name} {shard_speaker(index).name} {seconds:.0f} s of speech"


def _read_shard(job: tuple[Work, int]) -> str:
    return read_shard(*job)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, default=Work().root)
    parser.add_argument("--shards", type=int, default=40, help="500 sentences each")
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args()
    jobs = [(Work(options.work), index) for index in range(options.shards)]
    # One process per shard: flite registers a voice for the lifetime of a process.
    with get_context("spawn").Pool(options.processes, maxtasksperchild=1) as pool:
        for line in pool.imap(_read_shard, jobs, chunksize=1):
            print(line, flush=True)


if __name__ == "__main__":
    main()
