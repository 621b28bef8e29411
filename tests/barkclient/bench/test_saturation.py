"""The saturation search against servers with an exact capacity."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from barkclient.bench.saturation import PRECISION, SaturationSearch


def searched(search: SaturationSearch, capacity: float) -> list[float]:
    tried: list[float] = []
    while (load := search.next()) is not None:
        tried.append(load)
        search.add(load, sustained=load <= capacity)
    return tried


@pytest.mark.parametrize(
    ("capacity", "first", "maximum", "tried", "sustained", "failed"),
    [
        (0, 1, 256, [1], None, 1),
        (1, 1, 256, [1, 2], 1, 2),
        (5, 1, 256, [1, 2, 4, 8, 6, 5], 5, 6),
        (5, 16, 256, [16, 8, 4, 6, 5], 5, 6),
        (9, 1, 6, [1, 2, 4, 6], 6, None),
        (9, 99, 6, [6], 6, None),
        (100, 64, 256, [64, 128, 96, 112, 104, 100], 100, 104),
    ],
)
def test_search_of_streams_doubles_then_bisects(
    capacity: int,
    first: int,
    maximum: int,
    tried: list[int],
    sustained: int | None,
    failed: int | None,
) -> None:
    search = SaturationSearch(first, 1, maximum, whole=True)
    assert searched(search, capacity) == tried
    assert (search.sustained, search.failed) == (sustained, failed)


@pytest.mark.parametrize(
    ("capacity", "tried"),
    [
        (2.6, [1, 2, 4, 3, 2.5, 2.75, 2.625]),
        (0.2, [1, 0.5, 0.25, 0.125, 0.1875, 0.21875, 0.203125, 0.1953125]),
        (0.001, [1, 0.5, 0.25, 0.125]),
    ],
)
def test_search_of_rates_goes_both_ways(capacity: float, tried: list[float]) -> None:
    assert searched(SaturationSearch(1, 0.125, 1000, whole=False), capacity) == tried


@given(
    capacity=st.floats(0.02, 3000),
    first=st.floats(0.02, 100),
    maximum=st.floats(0.02, 2000),
    whole=st.booleans(),
)
def test_search_finds_every_capacity(
    capacity: float, first: float, maximum: float, whole: bool
) -> None:
    if whole:
        capacity, first, maximum = capacity // 1, max(1, first // 1), max(1, maximum // 1)
    minimum = 1.0 if whole else 0.01
    search = SaturationSearch(first, minimum, maximum, whole=whole)
    tried = searched(search, capacity)
    truth = min(capacity, maximum)
    if truth < minimum:
        assert search.sustained is None
    else:
        assert search.sustained in tried  # always a measured load
        assert search.sustained <= truth
        assert truth - search.sustained <= max(search.sustained * PRECISION, whole)
    assert max(tried) <= maximum
    assert len(set(tried)) == len(tried) <= 26


@given(st.lists(st.booleans(), min_size=60, max_size=60), st.booleans())
def test_search_ends_for_any_results(outcomes: list[bool], whole: bool) -> None:
    search = SaturationSearch(3, 1, 4096, whole=whole)
    for outcome in outcomes:
        load = search.next()
        if load is None:
            break
        search.add(load, sustained=outcome)
    assert search.next() is None
