"""The pitch clock: codes advance by their step, and the warped speech matches them."""

import numpy as np
import pytest

from training.config import FRAME_SAMPLES, PitchClock
from training.data.pitch import TRACK_SAMPLES, clocked, code_f0, pulse_phase, sine_phase

CLOCK = PitchClock()


def glide(start: float, end: float, frames: int = 200) -> np.ndarray:
    """Return a pitch track with a pause before and after."""
    pause = np.zeros(20)
    return np.concatenate((pause, np.linspace(start, end, frames), pause)).astype(np.float32)


def pulses(f0: np.ndarray) -> np.ndarray:
    """Return a signal that is the cosine of its pitch phase."""
    phase = pulse_phase(f0)
    return np.where(phase >= 0, np.cos(2 * np.pi * phase), 0).astype(np.float32)


@pytest.mark.parametrize(("start", "end"), [(90, 130), (240, 110), (120, 120)])
def test_codes_determine_the_next_phase(start: float, end: float) -> None:
    f0 = glide(start, end)
    codes = clocked(pulses(f0), pulse_phase(f0), CLOCK).codes.astype(int)
    spoken = codes[codes > 0] - 1
    step, phase = spoken // CLOCK.phases + CLOCK.first_step, spoken % CLOCK.phases
    assert ((phase + step)[:-1] % CLOCK.phases == phase[1:]).all()
    assert codes.max() < CLOCK.codes <= 1024


def test_warped_speech_follows_the_coded_phase() -> None:
    f0 = glide(100, 140)
    result = clocked(pulses(f0), pulse_phase(f0), CLOCK)
    inside = np.flatnonzero(result.codes > 0)[1:-1]
    phase = (result.codes[inside].astype(int) - 1) % CLOCK.phases / CLOCK.phases
    samples = result.wave[inside * FRAME_SAMPLES]
    np.testing.assert_allclose(samples, np.cos(2 * np.pi * phase), atol=0.02)


def test_code_f0_is_near_the_track() -> None:
    f0 = glide(95, 160)
    codes = clocked(pulses(f0), pulse_phase(f0), CLOCK).codes
    coded = code_f0(codes, CLOCK)
    at = ((np.arange(len(codes)) + 0.5) * FRAME_SAMPLES / TRACK_SAMPLES).astype(int)
    both = (coded > 0) & (f0[at] > 0)
    assert np.abs(coded[both] - f0[at][both]).mean() < 4


def test_codes_of_a_pause_are_zero() -> None:
    f0 = np.zeros(60, np.float32)
    assert not clocked(np.zeros(60 * TRACK_SAMPLES, np.float32), pulse_phase(f0), CLOCK).codes.any()


def test_phase_of_both_teachers_advances_by_their_pitch() -> None:
    f0 = glide(200, 200)
    for phase in (pulse_phase(f0), sine_phase(f0)):
        inside = np.flatnonzero(phase >= 0)[TRACK_SAMPLES:-TRACK_SAMPLES]
        np.testing.assert_allclose(np.diff(phase[inside]) * 24_000, 200, rtol=1e-6)
        assert len(inside) == pytest.approx(200 * TRACK_SAMPLES, abs=3 * TRACK_SAMPLES)


def test_sine_phase_is_linear_between_the_centers_of_frames() -> None:
    f0 = np.array([100, 100, 160, 160], np.float32)
    step = np.diff(sine_phase(f0)) * 24_000
    centers = (np.arange(4) * TRACK_SAMPLES + TRACK_SAMPLES // 2).tolist()
    np.testing.assert_allclose(step[centers[0] + 1 : centers[1] - 1], 100, rtol=1e-5)
    np.testing.assert_allclose(step[centers[1] + 1 : centers[3] - 1], 160, rtol=1e-5)
