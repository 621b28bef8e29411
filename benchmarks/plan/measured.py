"""Measures loads of `barkserve up` and the CPU time that all its processes use (Linux)."""

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from barkclient.bench.benchmark import Benchmark
from barkclient.bench.level import Level
from barkclient.bench.level_run import LevelRun
from barkclient.bench.plan import Plan
from barkclient.bench.summary import LevelSummary, summarize
from barkclient.bench.texts import SENTENCES

STREAMS = 20


@dataclass(frozen=True)
class MeasuredLoad:
    """One load.

    Attributes:
        level: the load.
        summary: as of `barkclient bench`.
        audio_s: duration of each stream by its index; 0: it failed.
        cpu_s: CPU time of this process and of those it started.
    """

    level: Level
    summary: LevelSummary
    audio_s: Sequence[float]
    cpu_s: float

    @property
    def cores(self) -> float:
        """Cores in use."""
        return self.cpu_s / self.summary.elapsed_s


async def measure(address: str, level: Level, texts: Sequence[str] = SENTENCES) -> MeasuredLoad:
    """Run one level.

    Args:
        address: host:port of the orchestrator.
        level: a closed or an open loop of STREAMS streams.
        texts: what the streams speak.
    """
    plan = Plan(
        loop=level.loop,
        loads=(level.load,),
        saturate=False,
        max_load=level.load,
        max_s=600.0,
        texts=texts,
        voice=None if texts is SENTENCES else "none",
        seed=0,
        count=level.count,
        duration_s=None,
        warmup=2,
        timeout_s=300.0,
    )
    meter = _CpuMeter()
    benchmark = Benchmark(plan, address, sys.stderr)
    benchmark.runs = _MeteredRuns(meter)
    await benchmark.run()
    (run,) = benchmark.runs
    by_index = {stream.index: stream.audio_s for stream in run.streams}
    audio_s = [by_index.get(index, 0.0) for index in range(run.begun)]
    return MeasuredLoad(level, summarize(run), audio_s, meter.used_s())


class _MeteredRuns(list[LevelRun]):
    """The runs of a benchmark; the CPU time counts from the first one, after its warm-up."""

    def __init__(self, meter: "_CpuMeter") -> None:
        super().__init__()
        self._meter = meter

    def append(self, run: LevelRun) -> None:
        """Begin a run."""
        self._meter.begin()
        super().append(run)


class _CpuMeter:
    """CPU time of this process and its descendants."""

    def __init__(self) -> None:
        self._before: Mapping[int, float] = {}

    def begin(self) -> None:
        """Count from now on."""
        self._before = _cpu_s_by_process()

    def used_s(self) -> float:
        """Return the CPU seconds since `begin`."""
        after = _cpu_s_by_process()
        return sum(cpu_s - self._before.get(pid, 0.0) for pid, cpu_s in after.items())


def _cpu_s_by_process() -> dict[int, float]:
    """CPU seconds of this process and its descendants, by process id."""
    tick_s = 1 / os.sysconf("SC_CLK_TCK")
    parents, used = dict[int, int](), dict[int, float]()
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:  # it has ended
            continue
        pid = int(path.parent.name)
        parents[pid] = int(fields[1])
        used[pid] = (int(fields[11]) + int(fields[12])) * tick_s
    family = {os.getpid()}
    while grown := {pid for pid, parent in parents.items() if parent in family} - family:
        family |= grown
    return {pid: cpu_s for pid, cpu_s in used.items() if pid in family}
