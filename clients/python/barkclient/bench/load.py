"""Closed and open loop: when streams are begun. What a stream is, `speak` knows."""

import asyncio
import time
from collections.abc import Awaitable, Callable

from barkclient.bench.arrival_times import arrival_times_s
from barkclient.bench.level_run import LevelRun
from barkclient.bench.stream import StreamRecord

# Takes a stream's index, when its level began and when it was begun itself (time.monotonic).
Speak = Callable[[int, float, float], Awaitable[StreamRecord]]

_FIRST_PAUSE_S = 0.05
_LONGEST_PAUSE_S = 1.0


async def run_level(run: LevelRun, speak: Speak, seed: int) -> None:
    """Puts the level's load on the server until the level asks for no more."""
    complete = False
    try:
        await (_closed(run, speak) if run.level.loop == "closed" else _open(run, speak, seed))
        complete = True
    finally:
        run.end(complete=complete)


def pause_s(failures: int) -> float:
    """Seconds for which a slot leaves the server alone after so many failures in a row."""
    return min(_FIRST_PAUSE_S * 2.0 ** min(failures - 1, 10), _LONGEST_PAUSE_S) if failures else 0.0


async def _closed(run: LevelRun, speak: Speak) -> None:
    """So many slots; each begins its next stream when its last one has ended."""
    async with asyncio.TaskGroup() as slots:
        for _ in range(int(run.level.load)):
            slots.create_task(_slot(run, speak))


async def _slot(run: LevelRun, speak: Speak) -> None:
    failures = 0
    while (index := run.begin()) is not None:
        stream = await speak(index, run.began_at, time.monotonic())
        run.streams.append(stream)
        failures = 0 if stream.finished else failures + 1
        await asyncio.sleep(pause_s(failures))
    run.idle()


async def _open(run: LevelRun, speak: Speak, seed: int) -> None:
    """Streams begin when they are due, however many are still being spoken."""
    async with asyncio.TaskGroup() as streams:
        for due_s in arrival_times_s(run.level, seed):
            due_at = run.began_at + due_s
            await asyncio.sleep(max(0.0, due_at - time.monotonic()))
            index, run.begun = run.begun, run.begun + 1
            streams.create_task(_stream(run, speak, index, due_at))


async def _stream(run: LevelRun, speak: Speak, index: int, due_at: float) -> None:
    run.streams.append(await speak(index, run.began_at, due_at))
