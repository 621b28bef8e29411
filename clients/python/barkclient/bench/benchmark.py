"""Runs the levels of a plan one after the other against a server."""

import asyncio
from collections.abc import Iterator
from typing import TextIO

from barkclient._internal.connection import Connection
from barkclient.async_client import AsyncClient
from barkclient.bench.level import Level
from barkclient.bench.level_run import LevelRun
from barkclient.bench.load import run_level
from barkclient.bench.plan import Plan
from barkclient.bench.progress import ProgressLine, watch
from barkclient.bench.speaker import Speaker
from barkclient.bench.stream import StreamRecord
from barkclient.bench.summary import LevelSummary, summarize
from barkclient.responses import Started


class Benchmark:
    """One benchmark. Its results so far stay valid if it is interrupted.

    Args:
        plan: what to measure.
        server: HOST:PORT.
        progress: where to show progress.
        connection: further arguments of the client.
    """

    def __init__(
        self, plan: Plan, server: str, progress: TextIO, connection: Connection | None = None
    ) -> None:
        self._connection: Connection = connection or {}
        self.plan = plan
        self.server = server
        self.warm_ups: list[LevelRun] = []
        self.runs: list[LevelRun] = []  # in the order of measurement
        self.search = plan.search()
        self.out_of_time = False  # the search did not end in its time
        self.started: Started | None = None  # as reported by the server
        self._line = ProgressLine(progress)

    async def run(self) -> None:
        """Measure every level. Ends early if every stream of a warm-up fails, or out of time."""
        async with AsyncClient(
            self.server, timeout=self.plan.timeout_s, **self._connection
        ) as client:
            speaker = Speaker(client, self.plan.texts, self.plan.voice, self.plan.seed)
            try:
                async with asyncio.timeout(self.plan.max_s if self.search else None):
                    await self._measure_all(speaker)
            except TimeoutError:
                self.out_of_time = True

    def summaries(self) -> list[LevelSummary]:
        """Summarize every level that has begun."""
        return [summarize(run) for run in self.runs]

    def failure(self) -> StreamRecord | None:
        """Return the last stream if every stream failed, else None."""
        streams = [stream for run in self.warm_ups + self.runs for stream in run.streams]
        if not streams or any(stream.finished for stream in streams):
            return None
        return streams[-1]

    async def _measure_all(self, speaker: Speaker) -> None:
        for load in self._loads():
            if self.plan.warmup:
                await self._measure(self.plan.warm_up(load), self.warm_ups, speaker, "warm-up ")
            if self.plan.warmup and self.failure() is not None:
                return  # the following levels would fail too
            await self._measure(self.plan.level(load), self.runs, speaker)

    def _loads(self) -> Iterator[float]:
        if self.search is None:
            yield from self.plan.loads
            return
        while (load := self.search.next()) is not None:
            yield load
            self.search.add(load, sustained=summarize(self.runs[-1]).sustained)

    async def _measure(
        self, level: Level, runs: list[LevelRun], speaker: Speaker, prefix: str = ""
    ) -> None:
        run = LevelRun(level, asyncio.get_running_loop().time)
        runs.append(run)
        watcher = asyncio.create_task(watch(run, self._line, prefix))
        stop_early = self.search is not None and runs is self.runs
        try:
            await run_level(run, speaker.speak, self.plan.seed, stop_early=stop_early)
        finally:
            watcher.cancel()
            self.started = speaker.started
            self._line.end(run, prefix)
