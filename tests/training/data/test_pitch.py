"""The pitch clock: codes advance by their step, and the warped speech matches them."""

import numpy as np
import pytest

from training.config import FRAME_SAMPLES, PitchClock
from training.data.pitch import TRACK_SAMPLES, clocked, code_f0, run_phase, voiced_runs

CLOCK = PitchClock()


def glide(start: float, end: float, frames: int = 200) -> np.ndarray:
    """Return a pitch track with a pause before and after."""
    pause = np.zeros(20)
    return np.concatenate((pause, np.linspace(start, end, frames), pause)).astype(np.float32)


def pulses(f0: np.ndarray) -> np.ndarray:
    """Return a signal that is the cosine of its pitch phase."""
    wave = np.zeros(len(f0) * TRACK_SAMPLES)
    ((first, end),) = voiced_runs(f0)
    phase = run_phase(f0[first:end])[:-1]
    wave[first * TRACK_SAMPLES : end * TRACK_SAMPLES] = np.cos(2 * np.pi * phase)
    return wave.astype(np.float32)


@pytest.mark.parametrize(("start", "end"), [(90, 130), (240, 110), (120, 120)])
def test_codes_determine_the_next_phase(start: float, end: float) -> None:
    f0 = glide(start, end)
    codes = clocked(pulses(f0), f0, CLOCK).codes.astype(int)
    spoken = codes[codes > 0] - 1
    step, phase = spoken // CLOCK.phases + CLOCK.first_step, spoken % CLOCK.phases
    assert ((phase + step)[:-1] % CLOCK.phases == phase[1:]).all()
    assert codes.max() < CLOCK.codes <= 1024


def test_warped_speech_follows_the_coded_phase() -> None:
    f0 = glide(100, 140)
    result = clocked(pulses(f0), f0, CLOCK)
    inside = np.flatnonzero(result.codes > 0)[1:-1]
    phase = (result.codes[inside].astype(int) - 1) % CLOCK.phases / CLOCK.phases
    samples = result.wave[inside * FRAME_SAMPLES]
    np.testing.assert_allclose(samples, np.cos(2 * np.pi * phase), atol=0.02)


def test_code_f0_is_near_the_track() -> None:
    f0 = glide(95, 160)
    codes = clocked(pulses(f0), f0, CLOCK).codes
    coded = code_f0(codes, CLOCK)
    at = ((np.arange(len(codes)) + 0.5) * FRAME_SAMPLES / TRACK_SAMPLES).astype(int)
    both = (coded > 0) & (f0[at] > 0)
    assert np.abs(coded[both] - f0[at][both]).mean() < 4


def test_codes_of_a_pause_are_zero() -> None:
    f0 = np.zeros(60, np.float32)
    assert not clocked(np.zeros(60 * TRACK_SAMPLES, np.float32), f0, CLOCK).codes.any()
