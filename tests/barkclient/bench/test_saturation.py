"""The saturation search against servers with an exact capacity."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from barkclient.bench.saturation import SaturationSearch


def searched(capacity: int, maximum: int) -> tuple[SaturationSearch, list[int]]:
    search = SaturationSearch(maximum)
    tried: list[int] = []
    while (level := search.next()) is not None:
        tried.append(level)
        search.add(level, sustained=level <= capacity)
    return search, tried


@pytest.mark.parametrize(
    ("capacity", "maximum", "tried", "verdict"),
    [
        (0, 256, [1], "a single stream is not sustained"),
        (1, 256, [1, 2], "1 streams at once are sustained, 2 are not"),
        (5, 256, [1, 2, 4, 8, 6, 5], "5 streams at once are sustained, 6 are not"),
        (9, 6, [1, 2, 4, 6], "6 streams at once are sustained; higher levels were not tried"),
        (5, 6, [1, 2, 4, 6, 5], "5 streams at once are sustained, 6 are not"),
        (100, 256, [1, 2, 4, 8, 16, 32, 64, 128, 96, 112, 104, 100, 102, 101], ""),
    ],
)
def test_search_doubles_then_bisects(
    capacity: int, maximum: int, tried: list[int], verdict: str
) -> None:
    search, levels = searched(capacity, maximum)
    assert levels == tried[: len(levels)]
    assert verdict in search.verdict()
    if capacity < 64:
        assert levels == tried


def test_verdict_before_the_first_level() -> None:
    assert SaturationSearch(8).verdict() == "no level was measured"


@given(st.integers(0, 3000), st.integers(1, 2000))
def test_search_finds_every_capacity(capacity: int, maximum: int) -> None:
    search, tried = searched(capacity, maximum)
    truth = min(capacity, maximum)
    assert truth - truth // 32 <= search.sustained <= truth
    assert search.sustained == truth or truth > 64
    assert search.sustained in {0, *tried}  # always a measured level
    assert max(tried) <= maximum
    assert len(set(tried)) == len(tried) <= 2 * maximum.bit_length()


@given(st.lists(st.booleans(), min_size=40, max_size=40))
def test_search_ends_for_any_results(outcomes: list[bool]) -> None:
    search = SaturationSearch(4096)
    for outcome in outcomes:
        level = search.next()
        if level is None:
            break
        search.add(level, sustained=outcome)
    assert search.next() is None
