"""TimeStretcher: pitch, length and seams at each rate, and the same output for any split."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from barkserve.orchestrator.audio.time_stretcher import TimeStretcher
from tests.orchestrator.audio.signals import pitch_change, voice

RATE = 24_000
RATES = [0.5, 0.8, 1.25, 2.0]
SAMPLES = voice(RATE, seconds=3.0)

Samples = NDArray[np.float32]


def stretched(parts: list[Samples], speaking_rate: float) -> Samples:
    stretcher = TimeStretcher(RATE, speaking_rate)
    return np.concatenate([*map(stretcher.push, parts), stretcher.flush()])


@pytest.mark.parametrize("rate", RATES)
def test_stretcher_changes_speed_and_keeps_pitch(rate: float) -> None:
    out = stretched([SAMPLES], rate)
    assert len(SAMPLES) / len(out) == pytest.approx(rate, rel=0.03)
    assert pitch_change(SAMPLES, out, RATE, rate) == pytest.approx(1, abs=0.02)
    level = np.sqrt(np.mean(out**2)) / np.sqrt(np.mean(SAMPLES**2))
    assert level == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize("rate", RATES)
def test_sounds_are_at_their_time_over_the_rate(rate: float) -> None:
    samples = np.zeros(2 * RATE, dtype=np.float32)
    for start in (0.3, 0.8, 1.3, 1.8):
        samples[round(start * RATE) :][: RATE // 10] = SAMPLES[RATE // 2 :][: RATE // 10]
    out = stretched([samples], rate)
    for middle in (0.35, 0.85, 1.35, 1.85):
        before = center_s(samples, middle, 0.1)
        assert center_s(out, middle / rate, 0.1 / rate) == pytest.approx(before / rate, abs=0.03)


def center_s(samples: Samples, middle: float, around: float) -> float:
    """The center of the energy near a time, in seconds."""
    first, end = (round((middle + offset) * RATE) for offset in (-around, around))
    power = samples[first:end].astype(np.float64) ** 2
    return (first + np.average(np.arange(len(power)), weights=power)) / RATE


def test_rate_one_returns_the_samples_unchanged() -> None:
    stretcher = TimeStretcher(RATE, 1.0)
    assert stretcher.push(SAMPLES) is SAMPLES
    assert not len(stretcher.flush())


@settings(max_examples=15, deadline=None)
@given(
    ends=st.lists(st.integers(0, RATE // 2), max_size=12),
    rate=st.sampled_from(RATES),
    seconds=st.floats(0, 0.5),
)
def test_output_is_the_same_for_any_split(ends: list[int], rate: float, seconds: float) -> None:
    part = SAMPLES[: round(seconds * RATE)]
    assert np.array_equal(stretched(np.split(part, sorted(ends)), rate), stretched([part], rate))


@settings(max_examples=15, deadline=None)
@given(
    start=st.integers(0, RATE),
    length=st.integers(0, RATE),
    rate=st.floats(0.5, 2.0).filter(lambda rate: rate != 1.0),
)
def test_segment_begins_and_ends_like_its_input(start: int, length: int, rate: float) -> None:
    part = SAMPLES[start : start + length]
    out = stretched([part], rate)
    if length < 0.05 * RATE:
        assert np.array_equal(out, part)
        return
    assert abs(len(out) - length / rate) < 0.05 * RATE
    assert np.abs(out[:10] - part[:10]).max() < 0.01
    assert abs(len(out) * rate / RATE - length / RATE) < 0.1


def test_little_is_held_back_while_a_segment_runs() -> None:
    for rate in RATES:
        sent = TimeStretcher(RATE, rate).push(SAMPLES)
        assert len(SAMPLES) - len(sent) * rate < 0.1 * RATE


def test_segments_of_one_stretcher_are_independent() -> None:
    stretcher = TimeStretcher(RATE, 1.25)
    first = np.concatenate([stretcher.push(SAMPLES), stretcher.flush()])
    second = np.concatenate([stretcher.push(SAMPLES), stretcher.flush()])
    assert np.array_equal(first, second)


async def test_create_loads_the_filter_and_stretches() -> None:
    stretcher = await TimeStretcher.create(RATE, 2.0)
    assert np.array_equal(
        np.concatenate([stretcher.push(SAMPLES), stretcher.flush()]), stretched([SAMPLES], 2.0)
    )
