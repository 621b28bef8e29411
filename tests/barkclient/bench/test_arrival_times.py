"""Poisson arrivals from a seed."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from barkclient.bench.arrival_times import arrival_times_s
from barkclient.bench.level import Level

seeds = st.integers(0, 2**62)


def times(rate: float, seed: int, count: int) -> list[float]:
    return list(arrival_times_s(Level("open", rate, count=count), seed))


@given(seeds, st.integers(0, 50))
def test_arrivals_rise_and_are_as_many_as_requested(seed: int, count: int) -> None:
    drawn = times(2.0, seed, count)
    assert len(drawn) == count
    assert all(0 <= before < after for before, after in pairwise(drawn))


@given(seeds, st.floats(0.01, 100))
def test_rate_only_scales_arrivals(seed: int, rate: float) -> None:
    assert times(rate, seed, 10) == [time / rate for time in times(1.0, seed, 10)]


@given(seeds, st.floats(0.01, 20))
def test_duration_gives_a_prefix_of_the_arrivals(seed: int, duration_s: float) -> None:
    drawn = list(arrival_times_s(Level("open", 5.0, duration_s=duration_s), seed))
    assert all(time < duration_s for time in drawn)
    *same, next_time = times(5.0, seed, len(drawn) + 1)
    assert drawn == same
    assert next_time >= duration_s


def test_arrivals_depend_on_seed() -> None:
    assert times(1.0, 1, 5) == times(1.0, 1, 5) != times(1.0, 2, 5)


def test_gaps_are_exponential() -> None:
    """The mean is 1/rate, and a share of 1/e of the gaps is longer. The seed is fixed."""
    drawn = [0.0, *times(4.0, 7, 20_000)]
    gaps = [after - before for before, after in pairwise(drawn)]
    assert sum(gaps) / len(gaps) == pytest.approx(0.25, rel=0.03)
    assert sum(gap > 0.25 for gap in gaps) / len(gaps) == pytest.approx(0.368, rel=0.03)
