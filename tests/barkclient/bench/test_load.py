"""Closed and open loops with streams that take no time."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from barkclient.bench import load
from barkclient.bench.arrival_times import arrival_times_s
from barkclient.bench.level import Level
from barkclient.bench.level_run import LevelRun
from barkclient.bench.load import backoff_s, run_level
from barkclient.bench.stream import OK, StreamRecord
from tests.barkclient.bench.records import stream


class Speech:
    """Runs for some rounds of the event loop and counts the concurrent streams."""

    def __init__(self, status: str = OK) -> None:
        self.status = status
        self.indices: list[int] = []
        self.begun_at: list[float] = []
        self.running = self.max_running = 0

    async def speak(self, index: int, level_began_at: float, begun_at: float) -> StreamRecord:
        self.indices.append(index)
        self.begun_at.append(begun_at)
        self.running += 1
        self.max_running = max(self.max_running, self.running)
        for _ in range(1 + index % 3):
            await asyncio.sleep(0)
        self.running -= 1
        return stream(index=index, begun_s=begun_at - level_began_at, status=self.status)


@pytest.mark.parametrize(("concurrency", "count"), [(1, 5), (4, 20), (8, 3)])
async def test_closed_loop_keeps_concurrency(concurrency: int, count: int) -> None:
    run, speech = LevelRun(Level("closed", concurrency, count=count)), Speech()
    await run_level(run, speech.speak, seed=0)
    assert sorted(speech.indices) == list(range(count))
    assert sorted(record.index for record in run.streams) == list(range(count))
    assert speech.max_running == min(concurrency, count)
    assert (run.begun, run.failed, run.complete) == (count, 0, True)
    assert run.window_s <= run.elapsed_s == run.elapsed_s  # the clock has stopped


async def test_open_loop_does_not_wait_for_streams() -> None:
    count = 20
    run, all_begun = LevelRun(Level("open", 1000.0, count=count)), asyncio.Event()

    async def speak(index: int, level_began_at: float, begun_at: float) -> StreamRecord:
        if index == count - 1:
            all_begun.set()
        await all_begun.wait()
        return stream(index=index, begun_s=begun_at - level_began_at)

    await run_level(run, speak, seed=3)
    assert run.begun == len(run.streams) == count
    assert run.window_s <= run.elapsed_s


async def test_open_loop_measures_from_arrival_time() -> None:
    """The time that the client is late counts as latency."""
    level = Level("open", 500.0, count=10)
    run, speech = LevelRun(level, asyncio.get_running_loop().time), Speech()
    await run_level(run, speech.speak, seed=3)
    assert speech.begun_at == [run.began_at + due_s for due_s in arrival_times_s(level, 3)]
    assert speech.indices == list(range(10))


async def test_closed_loop_continues_after_failures(monkeypatch: pytest.MonkeyPatch) -> None:
    backoffs: list[int] = []
    monkeypatch.setattr(load, "backoff_s", lambda failures: backoffs.append(failures) or 0.0)
    run = LevelRun(Level("closed", 1, count=4))
    await run_level(run, Speech("UNAVAILABLE").speak, seed=0)
    assert (run.begun, run.failed, run.complete) == (4, 4, True)
    assert backoffs == [1, 2, 3, 4]


async def test_interrupted_level_keeps_its_results() -> None:
    run, speech, hanging = LevelRun(Level("closed", 1, count=9)), Speech(), asyncio.Event()

    async def speak(index: int, level_began_at: float, begun_at: float) -> StreamRecord:
        if index == 2:
            hanging.set()
            await asyncio.Event().wait()
        return await speech.speak(index, level_began_at, begun_at)

    task = asyncio.create_task(run_level(run, speak, seed=0))
    await hanging.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (run.begun, len(run.streams), run.complete) == (3, 2, False)
    assert run.window_s == run.elapsed_s == run.elapsed_s


def test_level_starts_no_stream_after_duration() -> None:
    now = 100.0
    run = LevelRun(Level("closed", 1, duration_s=5), lambda: now)
    assert run.begin() == 0
    now = 104.9
    assert run.begin() == 1
    now = 105.0
    assert run.begin() is None
    run.close_window()
    now = 107.0
    run.close_window()  # only the first call counts
    run.end(complete=True)
    now = 200.0
    assert (run.begun, run.window_s, run.elapsed_s) == (2, 5, 7)


@given(st.integers(1, 100_000))
def test_backoff_grows_to_one_second(failures: int) -> None:
    assert 0 < backoff_s(failures) <= backoff_s(failures + 1) <= 1


def test_backoff_is_zero_after_success() -> None:
    assert [backoff_s(failures) for failures in (0, 1, 2, 6, 99)] == [0, 0.05, 0.1, 1, 1]
