"""Generates load: starts streams in an open or a closed loop."""

import asyncio
from collections.abc import Awaitable, Callable

from barkclient.bench.arrival_times import arrival_times_s
from barkclient.bench.level_run import LevelRun
from barkclient.bench.stream import StreamRecord
from barkclient.bench.summary import cannot_be_sustained

# Arguments: the stream's index, the begin of its level and its own (time of the event loop).
Speak = Callable[[int, float, float], Awaitable[StreamRecord]]

_FIRST_BACKOFF_S = 0.05
_MAX_BACKOFF_S = 1.0


class _NotSustained(Exception):
    """The level has missed its goal; its other streams need not run."""


async def run_level(run: LevelRun, speak: Speak, seed: int, *, stop_early: bool = False) -> None:
    """Run a level until it is complete.

    Args:
        run: collects the results.
        speak: runs one stream.
        seed: of the arrivals of an open loop.
        stop_early: cancel all streams as soon as the load cannot be sustained any more.
    """

    async def speak_and_record(index: int, begun_at: float) -> StreamRecord:
        stream = await speak(index, run.began_at, begun_at)
        run.streams.append(stream)
        if stop_early and cannot_be_sustained(run):
            raise _NotSustained
        return stream

    complete = False
    try:
        loop = _closed if run.level.loop == "closed" else _open
        await loop(run, speak_and_record, seed)
        complete = True
    except* _NotSustained:
        run.stopped_early = complete = True
    finally:
        run.end(complete=complete)


def backoff_s(failures: int) -> float:
    """Seconds that a slot waits after a number of consecutive failures."""
    return min(_FIRST_BACKOFF_S * 2.0 ** min(failures - 1, 10), _MAX_BACKOFF_S) if failures else 0.0


_Stream = Callable[[int, float], Awaitable[StreamRecord]]


async def _open(run: LevelRun, speak: _Stream, seed: int) -> None:
    """Start streams at their arrival times, regardless of how many are running."""
    async with asyncio.TaskGroup() as streams:
        for due_s in arrival_times_s(run.level, seed):
            due_at = run.began_at + due_s
            await asyncio.sleep(max(0.0, due_at - run.clock()))
            index, run.begun = run.begun, run.begun + 1
            streams.create_task(_ignore_result(speak(index, due_at)))
        run.close_window()


async def _closed(run: LevelRun, speak: _Stream, _seed: int) -> None:
    """Run slots that each start the next stream when the last one has ended.

    A slot whose stream was refused waits as long as the server asks.
    """
    async with asyncio.TaskGroup() as slots:
        for _ in range(int(run.level.load)):
            slots.create_task(_slot(run, speak))


async def _slot(run: LevelRun, speak: _Stream) -> None:
    failures = 0
    while (index := run.begin()) is not None:
        stream = await speak(index, run.clock())
        failures = 0 if stream.finished else failures + 1
        await asyncio.sleep(run.within(max(stream.retry_after_s, backoff_s(failures))))
    run.close_window()


async def _ignore_result(stream: Awaitable[StreamRecord]) -> None:
    await stream
