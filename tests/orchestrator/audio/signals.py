"""A reproducible test signal that resembles a voice."""

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
