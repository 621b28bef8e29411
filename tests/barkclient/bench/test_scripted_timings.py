"""Whole levels against a stream whose chunks arrive at known times: every figure is exact."""

import asyncio
import random
from dataclasses import dataclass, field
from itertools import pairwise

import pytest

from barkclient.bench.arrival_times import arrival_times_s
from barkclient.bench.level import Level
from barkclient.bench.level_run import LevelRun
from barkclient.bench.load import run_level
from barkclient.bench.stream import Arrival, StreamRecord
from barkclient.bench.summary import LevelSummary, Percentiles, summarize
from tests.barkclient.bench.virtual_time import run_virtually


@dataclass
class Server:
    """Serves as many streams at once as it has slots, in the order of their arrival.

    A stream waits for a slot. Then its first chunk of 1 s takes 0.25 s; each of `more` further
    chunks takes `chunk_s`.
    """

    slots: int
    chunk_s: float = 0.5
    more: int = 3
    free: asyncio.Semaphore = field(init=False)

    def __post_init__(self) -> None:
        self.free = asyncio.Semaphore(self.slots)

    async def speak(self, index: int, level_began_at: float, begun_at: float) -> StreamRecord:
        clock, arrivals = asyncio.get_running_loop().time, list[Arrival]()
        async with self.free:
            for pause_s in (0.25, *[self.chunk_s] * self.more):
                await asyncio.sleep(pause_s)
                arrivals.append(Arrival(clock() - begun_at, 1.0))
        return StreamRecord(index, begun_at - level_began_at, clock() - begun_at, tuple(arrivals))


def measured(level: Level, server: Server, *, stop_early: bool = False) -> LevelSummary:
    async def run() -> LevelSummary:
        level_run = LevelRun(level, asyncio.get_running_loop().time)
        await run_level(level_run, server.speak, seed=3, stop_early=stop_early)
        return summarize(level_run)

    return run_virtually(run())


def test_closed_loop_has_the_scripted_figures() -> None:
    """4 slots, each with 5 streams of 1.75 s, each with 4 s of audio."""
    summary = measured(Level("closed", 4, count=20), Server(slots=4))
    assert summary.elapsed_s == summary.window_s == 5 * 1.75
    assert summary.ttfa_ms == Percentiles(*[pytest.approx(250)] * 4)
    assert summary.gap_ms == Percentiles(*[pytest.approx(500)] * 4)
    assert summary.rtf == Percentiles(*[pytest.approx(1.75 / 4)] * 4)
    assert summary.underrun_ms == Percentiles(0, 0, 0, 0)
    assert summary.audio_per_s == pytest.approx(80 / 8.75)
    assert summary.goodput_audio_per_s == summary.audio_per_s
    assert summary.goodput_streams_per_s == pytest.approx(20 / 8.75)
    assert (summary.mean_streams, summary.max_streams) == (pytest.approx(4), 4)
    assert (summary.c0_share, summary.c200_share) == (1, 1)
    assert summary.sustained


@pytest.mark.parametrize(
    ("late_ms", "shares"),
    [(15, (0, 1, 1, 1)), (33, (0, 0, 1, 1)), (60, (0, 0, 0, 1)), (70, (0, 0, 0, 0))],
)
def test_slow_chunks_show_in_continuity(late_ms: int, shares: tuple[int, ...]) -> None:
    """Three chunks of 1 s that each come late: the underrun is three times that."""
    server = Server(slots=1, chunk_s=1 + late_ms / 1000)
    summary = measured(Level("closed", 1, count=5), server)
    found = (summary.c0_share, summary.c50_share, summary.c100_share, summary.c200_share)
    assert found == shares
    assert summary.underrun_ms.max == pytest.approx(3 * late_ms)
    assert summary.longest_silence_ms.max == pytest.approx(late_ms)
    assert summary.goodput_audio_per_s == (summary.audio_per_s if shares[2] else 0)


def test_open_loop_counts_the_wait_for_a_slot() -> None:
    """One slot: a queue, whose waits follow from the arrival times."""
    level, held_s = Level("open", 1.0, count=10), 1.75
    due = list(arrival_times_s(level, 3))
    waits, free_at = [], 0.0
    for at_s in due:
        waits.append(max(0.0, free_at - at_s))
        free_at = max(free_at, at_s) + held_s
    summary = measured(level, Server(slots=1))
    assert summary.window_s == pytest.approx(due[-1])
    assert summary.elapsed_s == pytest.approx(free_at)
    assert summary.ttfa_ms.max == pytest.approx(1000 * (max(waits) + 0.25))
    assert summary.ttfa_ms.p50 == pytest.approx(1000 * (sorted(waits)[4] + 0.25))
    assert summary.underrun_ms.max == 0  # a stream that waits has not begun to play


def test_arrivals_are_a_poisson_process() -> None:
    level = Level("open", 50.0, count=20_000)
    times = [0.0, *arrival_times_s(level, 1)]
    gaps = sorted(after - before for before, after in pairwise(times))
    assert sum(gaps) / len(gaps) == pytest.approx(1 / 50, rel=0.03)
    # Exponential: the median is ln 2 of the mean, the 90th percentile ln 10.
    assert gaps[10_000] == pytest.approx(0.6931 / 50, rel=0.03)
    assert gaps[18_000] == pytest.approx(2.3026 / 50, rel=0.03)
    assert random.Random(1).expovariate(1.0) / 50 == times[1]


def test_hopeless_level_stops_early() -> None:
    """Of 20 streams none may miss: the first one that does ends the level."""
    server = Server(slots=99, chunk_s=1.5, more=3)
    whole = measured(Level("open", 2.0, count=20), server)
    stopped = measured(Level("open", 2.0, count=20), Server(99, 1.5, 3), stop_early=True)
    assert stopped.stopped_early
    assert not whole.stopped_early
    assert not stopped.sustained
    assert stopped.finished == 1
    assert stopped.elapsed_s < whole.elapsed_s / 2


def test_sustained_level_does_not_stop_early() -> None:
    summary = measured(Level("open", 2.0, count=20), Server(slots=99), stop_early=True)
    assert (summary.finished, summary.stopped_early, summary.sustained) == (20, False, True)
