"""Measures one load: which streams were accepted, and which of those played without underruns."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass

from barkclient.bench.benchmark import Benchmark
from barkclient.bench.plan import Plan
from barkclient.bench.summary import LevelSummary
from benchmarks.scaling.clients import TEXT

REFUSED = "RESOURCE_EXHAUSTED"


@dataclass(frozen=True)
class Measurement:
    """One load, with refused streams apart from those that failed.

    Attributes:
        summary: the statistics.
    """

    summary: LevelSummary

    @property
    def clients(self) -> int:
        """Clients at once."""
        return round(self.summary.level.load)

    @property
    def accepted(self) -> int:
        """Streams that were accepted and finished."""
        return self.summary.finished

    @property
    def refused(self) -> int:
        """Streams that were refused."""
        return self.summary.errors.get(REFUSED, 0)

    @property
    def failed(self) -> int:
        """Streams that failed in another way."""
        return self.summary.failed - self.refused

    @property
    def clean_share(self) -> float:
        """Share of the accepted streams with at most 100 ms of underrun."""
        ended = self.summary.finished + self.summary.failed
        return (self.summary.c100_share or 0.0) * ended / max(1, self.summary.finished)

    @property
    def goodput(self) -> float:
        """Seconds of audio of clean streams per second."""
        return self.summary.goodput_audio_per_s or 0.0

    @property
    def longest_underrun_s(self) -> float:
        """Largest underrun of a stream."""
        return (self.summary.underrun_ms.max or 0.0) / 1000


async def measure(
    address: str, loads: Sequence[int], duration_s: float, voice: str | None = "none"
) -> list[Measurement]:
    """Run closed loops, in which refused clients wait as long as the server asks.

    Args:
        address: host:port of the orchestrator.
        loads: clients at once, one number for each loop.
        duration_s: time in which streams start, for each loop.
        voice: a name; None for the server's default.
    """
    plan = Plan(
        loop="closed",
        loads=loads,
        saturate=False,
        max_load=max(loads),
        max_s=duration_s,
        texts=[TEXT],
        voice=voice,
        seed=1,
        count=None,
        duration_s=duration_s,
        warmup=2 * min(loads),
        timeout_s=120.0,
    )
    benchmark = Benchmark(plan, address, sys.stderr)
    await benchmark.run()
    return [Measurement(summary) for summary in benchmark.summaries()]
