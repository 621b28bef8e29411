"""The pitch of audio."""

import numpy as np
from numpy.typing import NDArray

from training.config import SAMPLE_RATE

Wave = NDArray[np.float32]
PITCH_WINDOW = 1200  # 50 ms
PITCH_HOP = 240  # 10 ms
VOICED = 0.5  # of the normalized autocorrelation


def pitch(wave: Wave, low: float = 65.0, high: float = 400.0) -> NDArray[np.float64]:
    """Return the pitch in Hz every 10 ms, 0 if unvoiced, by autocorrelation below 1 kHz."""
    count = max(0, (len(wave) - PITCH_WINDOW) // PITCH_HOP + 1)
    index = np.arange(count)[:, None] * PITCH_HOP + np.arange(PITCH_WINDOW)
    window = np.hanning(PITCH_WINDOW)
    size = 4096
    spectrum = np.abs(np.fft.rfft(wave[index] * window, size)) ** 2
    spectrum[:, int(1000 / SAMPLE_RATE * size) :] = 0
    correlation = np.fft.irfft(spectrum)
    envelope = np.fft.irfft(np.abs(np.fft.rfft(window, size)) ** 2)
    lags = np.arange(int(SAMPLE_RATE / high), int(SAMPLE_RATE / low))
    share = correlation[:, lags] / envelope[lags]
    share /= correlation[:, :1] / envelope[0] + 1e-9
    share -= 0.0004 * lags * 0.5  # prefer the higher octave
    best = share.argmax(1)
    loud = correlation[:, 0] > 0.01 * correlation[:, 0].max(initial=0)
    strength = np.take_along_axis(share, best[:, None], 1)[:, 0]
    return np.where(loud & (strength > VOICED), SAMPLE_RATE / lags[best], 0.0)


def pitch_correlation(a: NDArray[np.float64], b: NDArray[np.float64]) -> tuple[float, float]:
    """Return the correlation of log f0 where both are voiced, and their voiced overlap."""
    size = min(len(a), len(b))
    a, b = a[:size], b[:size]
    both, either = (a > 0) & (b > 0), (a > 0) | (b > 0)
    if both.sum() < 10:
        return 0.0, 0.0
    return float(np.corrcoef(np.log(a[both]), np.log(b[both]))[0, 1]), both.sum() / either.sum()
