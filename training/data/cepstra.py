"""Mel cepstra of speech at the frame rate."""

import numpy as np
import torch
from numpy.typing import NDArray

from training.config import FRAME_SAMPLES, SAMPLE_RATE

WINDOW = 1024
MELS = 64
FLOOR = 1e-2  # of the mel power; a lower floor wastes codes on differences between silences


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
        self._filters = mel_filters(WINDOW + 1, MELS, 40, 11_500)
        self._basis = cosine_basis(MELS, count)
        self._window = torch.hann_window(WINDOW)

    def __call__(self, wave: NDArray[np.float32]) -> NDArray[np.float32]:
        frames = len(wave) // FRAME_SAMPLES
        left = WINDOW // 2 - FRAME_SAMPLES
        padded = torch.from_numpy(np.pad(wave, (left, WINDOW)))
        windows = padded.unfold(0, WINDOW, FRAME_SAMPLES)[:frames] * self._window
        power = torch.fft.rfft(windows, 2 * WINDOW).abs().square()
        return (torch.log10(power @ self._filters + FLOOR) @ self._basis).numpy()
