"""Generates load: starts streams in a closed or an open loop."""

import asyncio
import time
from collections.abc import Awaitable, Callable

from barkclient.bench.arrival_times import arrival_times_s
from barkclient.bench.level_run import LevelRun
from barkclient.bench.stream import StreamRecord

# Arguments: the stream's index, the begin of its level and its own (time.monotonic).
Speak = Callable[[int, float, float], Awaitable[StreamRecord]]

_FIRST_BACKOFF_S = 0.05
_MAX_BACKOFF_S = 1.0


async def run_level(run: LevelRun, speak: Speak, seed: int) -> None:
    """Run a level until it is complete.

    Args:
        run: collects the results.
        speak: runs one stream.
        seed: of the arrivals of an open loop.
    """
    complete = False
    try:
        await (_closed(run, speak) if run.level.loop == "closed" else _open(run, speak, seed))
        complete = True
    finally:
        run.end(complete=complete)


def backoff_s(failures: int) -> float:
    """Seconds that a slot waits after a number of consecutive failures."""
    return min(_FIRST_BACKOFF_S * 2.0 ** min(failures - 1, 10), _MAX_BACKOFF_S) if failures else 0.0


async def _closed(run: LevelRun, speak: Speak) -> None:
    """Run slots that each start the next stream when the last one has ended.

    A slot whose stream was refused waits as long as the server asks.
    """
    async with asyncio.TaskGroup() as slots:
        for _ in range(int(run.level.load)):
            slots.create_task(_slot(run, speak))


async def _slot(run: LevelRun, speak: Speak) -> None:
    failures = 0
    while (index := run.begin()) is not None:
        stream = await speak(index, run.began_at, time.monotonic())
        run.streams.append(stream)
        failures = 0 if stream.finished else failures + 1
        await asyncio.sleep(run.within(max(stream.retry_after_s, backoff_s(failures))))
    run.idle()


async def _open(run: LevelRun, speak: Speak, seed: int) -> None:
    """Start streams at their arrival times, regardless of how many are running."""
    async with asyncio.TaskGroup() as streams:
        for due_s in arrival_times_s(run.level, seed):
            due_at = run.began_at + due_s
            await asyncio.sleep(max(0.0, due_at - time.monotonic()))
            index, run.begun = run.begun, run.begun + 1
            streams.create_task(_stream(run, speak, index, due_at))


async def _stream(run: LevelRun, speak: Speak, index: int, due_at: float) -> None:
    run.streams.append(await speak(index, run.began_at, due_at))
