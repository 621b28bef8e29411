"""A reproducible test signal that resembles a voice, and a measurement of its pitch."""

import numpy as np
from numpy.typing import NDArray


def voice(sample_rate: int, seconds: float = 1.5, peak: float = 0.5) -> NDArray[np.float32]:
    """Return (n,) samples: 40 harmonics of a gliding tone, louder three times per second."""
    times = np.arange(round(sample_rate * seconds)) / sample_rate
    tone = 120 + 20 * np.sin(4 * np.pi * times)
    phase = 2 * np.pi * np.cumsum(tone) / sample_rate
    orders = [order for order in range(1, 41) if 140 * order < 0.4 * sample_rate]
    sound = sum(np.sin(order * phase) / order**1.2 for order in orders)
    sound = sound * (0.55 - 0.45 * np.cos(6 * np.pi * times))
    return (peak * sound / np.abs(sound).max()).astype(np.float32)


def pitch_change(
    before: NDArray[np.float32], after: NDArray[np.float32], sample_rate: int, speaking_rate: float
) -> float:
    """Return the median ratio of the pitch of stretched sounds to that before."""
    times = np.arange(0.1, len(before) / sample_rate - 0.1, 0.02)
    ratios = _pitches(after, sample_rate, times / speaking_rate) / _pitches(
        before, sample_rate, times
    )
    return float(np.nanmedian(ratios))


def _pitches(
    samples: NDArray[np.float32], sample_rate: int, times: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the fundamental frequency in Hz at times, by autocorrelation; NaN: not voiced."""
    size = sample_rate // 20
    shortest, longest = sample_rate // 400, sample_rate // 60
    found = np.full(len(times), np.nan)
    for index, start in enumerate((times * sample_rate).astype(int) - size // 2):
        frame = samples[max(0, start) : start + size].astype(np.float64)
        spectrum = np.fft.rfft(frame - frame.mean(), 2 * size)
        power = np.fft.irfft(np.abs(spectrum) ** 2)[: longest + 1]
        power *= size / (size - np.arange(longest + 1))  # longer lags overlap less
        lag = shortest + int(power[shortest:longest].argmax())
        if power[0] > 1e-3 and power[lag] > 0.7 * power[0]:
            left, top, right = power[lag - 1 : lag + 2]
            found[index] = sample_rate / (lag + 0.5 * (left - right) / (left - 2 * top + right))
    return found
