"""The chunk plan follows the time of a fill, unless the options fix it."""

from itertools import pairwise, takewhile

import numpy as np
import pytest

from barkserve.fine.chunk_planner import ChunkPlanner
from barkserve.fine.fill_time import measure_fill
from barkserve.fine.job import FillJob
from barkserve.fine.windows import ChunkPlan

FRAMES_10_S = 750


def plan_for(fill_s: float, growth: float = 0, most: int = 0, window: int = 512) -> ChunkPlan:
    planner = ChunkPlanner(22, growth, most, 8, window)
    planner.note_fill(fill_s)
    return planner.plan


@pytest.mark.parametrize(
    ("fill_s", "growth", "most"),
    [
        (0.02, 1.25, 75),
        (0.25, 1.25, 75),
        (0.26, 1.5, 150),
        (0.9, 2, 300),
        (2, 3, 512),
        (50, 4, 512),
    ],
)
def test_slow_fills_get_long_chunks(fill_s: float, growth: float, most: int) -> None:
    assert plan_for(fill_s) == ChunkPlan(22, growth, most, 8)


@pytest.mark.parametrize(("fill_s", "count"), [(0.02, 13), (0.5, 9), (1, 6), (2, 4)])
def test_number_of_fills_for_ten_seconds(fill_s: float, count: int) -> None:
    """What a device pays: each fill is a window of the fine model."""
    fills = takewhile(lambda frames: frames < FRAMES_10_S, plan_for(fill_s).fills())
    assert len(list(fills)) + 1 == count


def test_measured_plan_never_starts_later() -> None:
    assert {plan_for(seconds).first for seconds in (0, 0.1, 1, 10)} == {22}


@pytest.mark.parametrize(("fill_s", "first"), [(0, 22), (0.007, 15), (0.05, 15), (0.06, 22)])
def test_first_chunk_is_shorter_where_fills_are_fast(fill_s: float, first: int) -> None:
    """What building/fine.py leaves to the measurement on a GPU."""
    planner = ChunkPlanner(0, 0, 0, 8, 512)
    planner.note_fill(fill_s)
    assert planner.plan.first == first
    assert fill_s <= first / 75 / 3 or first == 22  # most of the first chunk's time is left


def test_options_win_over_the_measurement() -> None:
    assert plan_for(50, growth=1, most=40) == ChunkPlan(22, 1, 40, 8)


def test_chunks_fit_into_the_window() -> None:
    assert plan_for(50, window=128).most == 128
    planner = ChunkPlanner(22, 0, 0, 8, 128)
    assert planner.checked(ChunkPlan(5, 2, 1000, 3)) == ChunkPlan(5, 2, 128, 3)


def test_slower_device_never_gets_shorter_chunks() -> None:
    plans = [plan_for(0.01 * 1.3**step) for step in range(40)]
    assert all(a.growth <= b.growth and a.most <= b.most for a, b in pairwise(plans))


def test_fill_time_is_the_shortest_of_three() -> None:
    ticks = iter([0.0, 0.3, 1.0, 1.2, 2.0, 2.4])
    jobs: list[FillJob] = []

    def fill(batch: list[FillJob]) -> list[np.ndarray]:
        jobs.extend(batch)
        return [batch[0].codes]

    assert measure_fill(fill, 128, 8, 64, lambda: next(ticks)) == pytest.approx(0.2)
    assert [job.exact for job in jobs] == [False] * 3
    assert jobs[0].codes.shape == (128, 8)


def test_slow_fill_is_measured_once() -> None:
    ticks = iter([0.0, 7.0])
    assert measure_fill(lambda batch: [], 128, 8, 64, lambda: next(ticks)) == 7.0
