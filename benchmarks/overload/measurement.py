"""Measures one load: which streams were accepted, and which of those played without underruns."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass

from barkclient.bench.benchmark import Benchmark
from barkclient.bench.level_run import LevelRun
from barkclient.bench.plan import Plan
from barkclient.bench.playback import underrun_s
from barkclient.bench.stream import StreamRecord
from benchmarks.scaling.clients import TEXT

ALLOWED_UNDERRUN_S = 0.1
REFUSED = "RESOURCE_EXHAUSTED"


@dataclass(frozen=True)
class Measurement:
    """One load in numbers.

    Attributes:
        clients: clients at once.
        accepted: streams that were accepted.
        refused: streams that were refused.
        failed: streams that failed in another way.
        clean: accepted streams without more than 100 ms of underrun.
        goodput: seconds of audio of clean streams per second.
        longest_underrun_s: of a stream.
    """

    clients: int
    accepted: int
    refused: int
    failed: int
    clean: int
    goodput: float
    longest_underrun_s: float

    @property
    def clean_share(self) -> float:
        """Share of the accepted streams that played clean."""
        return self.clean / max(1, self.accepted)


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
        max_concurrency=max(loads),
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
    return [_measurement(run) for run in benchmark.runs]


def _measurement(run: LevelRun) -> Measurement:
    finished = [stream for stream in run.streams if stream.finished]
    clean = [stream for stream in finished if underrun_s(stream.arrivals) <= ALLOWED_UNDERRUN_S]
    refused = sum(stream.status == REFUSED for stream in run.streams)
    return Measurement(
        clients=round(run.level.load),
        accepted=len(finished),
        refused=refused,
        failed=len(run.streams) - len(finished) - refused,
        clean=len(clean),
        goodput=_audio_s(clean) / run.elapsed_s,
        longest_underrun_s=max((underrun_s(each.arrivals) for each in finished), default=0.0),
    )


def _audio_s(streams: Sequence[StreamRecord]) -> float:
    return sum(stream.audio_s for stream in streams)
