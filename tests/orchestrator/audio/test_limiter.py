"""The limiter: no peak above the ceiling, quiet audio unchanged, no jumps of the gain."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from barkserve.orchestrator.audio.limiter import CEILING, LOOK_AHEAD_S, RELEASE_S, Limiter
from tests.orchestrator.audio.signals import voice


def limited(samples: NDArray[np.float32], rate: int = 24_000) -> NDArray[np.float32]:
    limiter = Limiter(rate)
    return np.concatenate((limiter.push(samples), limiter.flush()))


@settings(max_examples=100, deadline=None)
@given(
    peaks=st.lists(st.floats(-50, 50, width=32), min_size=1, max_size=40),
    spread=st.integers(1, 300),
)
def test_limiter_keeps_peaks_below_the_ceiling(peaks: list[float], spread: int) -> None:
    samples = np.zeros(len(peaks) * spread, dtype=np.float32)
    samples[::spread] = peaks
    out = limited(samples)
    assert len(out) == len(samples)
    assert np.abs(out).max() <= CEILING * 1.000001
    assert np.all(np.abs(out) <= np.abs(samples))
    assert np.all(out * samples >= 0)


def test_limiter_leaves_quiet_audio_unchanged() -> None:
    samples = voice(24_000, peak=0.98)
    assert np.array_equal(limited(samples), samples)


def test_limiter_gain_has_no_jumps_and_recovers() -> None:
    samples = np.full(24_000, 0.5, dtype=np.float32)
    samples[12_000] = 5.0
    gain = limited(samples)[np.arange(24_000) != 12_000] / 0.5
    size = round(24_000 * LOOK_AHEAD_S)
    assert np.abs(np.diff(gain)).max() <= 1.1 / size
    assert np.all(gain[: 12_000 - 3 * size] == 1.0)
    assert np.all(gain[12_000 + round(24_000 * RELEASE_S) + 3 * size :] == 1.0)
    assert gain.min() < CEILING / 5 * 1.01
