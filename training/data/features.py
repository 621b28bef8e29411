"""Compute the features of the teacher's readings: cepstra, the pitch clock, thirds of phones.

Writes one .npz per shard. The first shards also keep their audio, for training the codec.
"""

import argparse
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from training.config import (
    FRAME_SAMPLES,
    SAMPLE_RATE,
    SEMANTIC_RATE,
    THIRDS,
    CodecSize,
    PitchClock,
    Work,
)
from training.data.pitch import TRACK_SAMPLES, clocked
from training.data.teacher import load_shard, save_shard

WINDOW = 1024
MELS = 40
LEAD = 0.06  # seconds of silence kept before the first phone
TAIL = 0.14  # and after the last
FLOOR = 1e-2  # of the mel power; a lower floor wastes codes on differences between silences


def resampled(wave: NDArray[np.int16]) -> NDArray[np.float32]:
    """Resample 16 kHz PCM to 24 kHz float32 in [-1, 1]."""
    spectrum = np.fft.rfft(wave.astype(np.float64) / 32768)
    length = len(wave) * 3 // 2
    padded = np.zeros(length // 2 + 1, complex)
    padded[: len(spectrum)] = spectrum
    return (np.fft.irfft(padded, length) * 1.5).astype(np.float32)


def mel_filters(bins: int, mels: int, low: float, high: float) -> torch.Tensor:
    """Return triangular mel filters, (bins, mels)."""
    first, last = (2595 * np.log10(1 + hertz / 700) for hertz in (low, high))
    edges = 700 * (10 ** (np.linspace(first, last, mels + 2) / 2595) - 1)
    hertz = np.linspace(0, SAMPLE_RATE / 2, bins)[:, None]
    rise = (hertz - edges[:-2]) / np.diff(edges)[:-1]
    fall = (edges[2:] - hertz) / np.diff(edges)[1:]
    return torch.from_numpy(np.maximum(0, np.minimum(rise, fall)).astype(np.float32))


def cosine_basis(mels: int, count: int) -> torch.Tensor:
    """Return an orthonormal DCT-II, (mels, count); energy is halved to weigh less in distances."""
    angle = np.pi / mels * (np.arange(mels)[:, None] + 0.5) * np.arange(count)
    basis = np.sqrt(2 / mels) * np.cos(angle)
    basis[:, 0] *= 0.5 / np.sqrt(2)
    return torch.from_numpy(basis.astype(np.float32))


class Cepstrum:
    """Mel cepstra at the frame rate, each window centered on the end of its frame."""

    def __init__(self, count: int) -> None:
        self._filters = mel_filters(WINDOW + 1, MELS, 40, 7900)
        self._basis = cosine_basis(MELS, count)
        self._window = torch.hann_window(WINDOW)

    def __call__(self, wave: NDArray[np.float32]) -> NDArray[np.float32]:
        frames = len(wave) // FRAME_SAMPLES
        left = WINDOW // 2 - FRAME_SAMPLES
        padded = torch.from_numpy(np.pad(wave, (left, WINDOW)))
        windows = padded.unfold(0, WINDOW, FRAME_SAMPLES)[:frames] * self._window
        power = torch.fft.rfft(windows, 2 * WINDOW).abs().square()
        return (torch.log10(power @ self._filters + FLOOR) @ self._basis).numpy()


def phone_thirds(phones: NDArray[np.uint8], ends: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Return semantic tokens: the phone and third at the middle of each token."""
    times = (np.arange(int(ends[-1] * SEMANTIC_RATE)) + 0.5) / SEMANTIC_RATE
    index = np.minimum(np.searchsorted(ends, times, side="right"), len(ends) - 1)
    starts = np.concatenate(([0.0], ends[:-1]))
    share = (times - starts[index]) / (ends[index] - starts[index])
    third = np.clip((share * THIRDS).astype(np.int64), 0, THIRDS - 1)
    return (phones[index].astype(np.int64) * THIRDS + third).astype(np.uint8)


def trim(ends: NDArray[np.float32]) -> tuple[int, int]:
    """Return the range [first, end) of pitch frames to keep: silences at the edges are cut."""
    first = max(0, round((float(ends[0]) - LEAD) * 200))
    last = round(min(float(ends[-1]), float(ends[-2]) + TAIL) * 200)
    return first, last


def make_shard(work: Work, audio_shards: int, index: int) -> str:
    """Write the features of one shard, unless they exist; return a line for the log."""
    path = work.shard("features", index)
    if path.exists():
        return f"{path.name} exists"
    torch.set_num_threads(1)
    cepstrum, clock = Cepstrum(CodecSize().cepstrum), PitchClock()
    columns: dict[str, list[NDArray[np.generic]]] = {
        name: [] for name in ("text", "semantic", "cepstrum", "clock", "wave")
    }
    readings = load_shard(work.shard("teacher", index))
    for text, wave, phones, ends, f0 in zip(*readings.values(), strict=True):
        first, last = trim(ends)
        kept = resampled(wave)[first * TRACK_SAMPLES : last * TRACK_SAMPLES]
        # Frame i of the track is the value at the end of the i-th 5 ms.
        speech = clocked(kept, f0[first + 1 : last + 1], clock)
        times = np.clip(ends - first / 200, 0, (last - first) / 200)
        columns["text"].append(text)
        columns["semantic"].append(phone_thirds(phones, times))
        columns["cepstrum"].append(cepstrum(speech.wave).astype(np.float16))
        columns["clock"].append(speech.codes)
        columns["wave"].append((speech.wave * 32767).clip(-32768, 32767).astype(np.int16))
    if index >= audio_shards:
        del columns["wave"]
    save_shard(path, **columns)
    return f"{path.name} {sum(map(len, columns['clock']))} frames"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, default=Work().root)
    parser.add_argument(
        "--audio-shards", type=int, default=10, help="number of shards to keep the audio of"
    )
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args()
    work = Work(options.work)
    indices = [int(path.stem) for path in work.shards("teacher")]
    with get_context("spawn").Pool(options.processes) as pool:
        for line in pool.imap(partial(make_shard, work, options.audio_shards), indices):
            print(line, flush=True)


if __name__ == "__main__":
    main()
