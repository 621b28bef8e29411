"""The number of streams grows in steps."""

import pytest

from barkserve.orchestrator.admission.ramp import STEP_S, Ramp


def settled(streams: float) -> Ramp:
    """A ramp after a number of streams has run for long."""
    ramp = Ramp()
    ramp.limit(0, 100)
    ramp.limit(streams, 200)
    return ramp


@pytest.mark.parametrize(("streams", "expected"), [(0, 1), (1, 2), (3, 4), (20, 25)])
def test_ramp_allows_one_or_a_quarter_more(streams: float, expected: int) -> None:
    assert int(settled(streams).limit(streams, 201)) == expected


def test_ramp_takes_the_next_step_after_a_while() -> None:
    ramp = settled(2)
    assert ramp.limit(2, 201) < 4
    assert ramp.limit(3, 201.1) < 4
    assert ramp.limit(3, 201 + STEP_S) >= 4


def test_ramp_counts_streams_that_end_and_begin() -> None:
    ramp = settled(10)
    for tenth in range(100):
        assert ramp.limit(9 + tenth % 2, 201 + tenth / 10) > 12


def test_ramp_remembers_the_most_streams() -> None:
    ramp = settled(20)
    assert int(ramp.limit(0, 1000)) == 25
