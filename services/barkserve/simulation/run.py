"""Runs a load against a simulated deployment, with the load generator of `barkclient bench`."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from barkclient.bench.level import Level
from barkclient.bench.level_run import LevelRun
from barkclient.bench.load import run_level
from barkclient.bench.stream import StreamRecord
from barkclient.bench.summary import LevelSummary, summarize
from barkserve.constants import STAGES, StageName
from barkserve.simulation.profile import Profile
from barkserve.simulation.system import REFUSED, Deployment, System
from barkserve.simulation.virtual_time import now, run_in_virtual_time
from barkserve.simulation.workload import Utterances


@dataclass(frozen=True)
class Simulated:
    """The results of a simulated load.

    Attributes:
        summary: as of `barkclient bench`.
        busy_share: mean share of the time that a replica of each stage computed, under load.
        cores_share: mean use of the shared cores; 0 without.
    """

    summary: LevelSummary
    busy_share: Mapping[StageName, float]
    cores_share: float

    @property
    def accepted_c100(self) -> float:
        """Share of the accepted streams that play clean."""
        accepted = self.summary.begun - self.summary.errors.get(REFUSED, 0)
        return (self.summary.c100_share or 0.0) * self.summary.begun / max(1, accepted)

    @property
    def refused_share(self) -> float:
        """Share of the streams that were refused."""
        return self.summary.errors.get(REFUSED, 0) / max(1, self.summary.begun)


def simulate_level(
    profile: Profile,
    deployment: Deployment,
    utterances: Utterances,
    level: Level,
    *,
    warm_up: int = 2,
    discard_s: float = 0.0,
    seed: int = 0,
) -> Simulated:
    """Simulate one level of `barkclient bench`.

    Args:
        profile: how long everything takes.
        deployment: what runs where.
        utterances: what the streams speak.
        level: the load.
        warm_up: streams before the level that are not measured.
        discard_s: streams of the level's first seconds are not measured either.
        seed: of the arrivals.
    """
    system_of = partial(System, profile, deployment)
    return run_in_virtual_time(_level(system_of, utterances, level, warm_up, discard_s, seed))


async def _level(
    system_of: Callable[[], System],
    utterances: Utterances,
    level: Level,
    warm_up: int,
    discard_s: float,
    seed: int,
) -> Simulated:
    system = system_of()

    async def speak(index: int, began_at: float, begun_at: float) -> StreamRecord:
        return await system.speak(utterances.at(index), index, began_at)

    if warm_up:
        before = LevelRun(Level("closed", min(warm_up, 8), count=warm_up), now)
        await run_level(before, speak, seed)
    meter = _Meter(system, discard_s)
    run = LevelRun(level, now)
    await run_level(run, speak, seed)
    run.streams = [each for each in run.streams if each.begun_s >= discard_s]
    run.begun = len(run.streams)
    simulated = meter.read(run)
    system.stop()
    return simulated


class _Meter:
    """Measures how busy the replicas are, from some seconds on until it is read."""

    def __init__(self, system: System, after_s: float) -> None:
        self._system = system
        self._began_at = now() + after_s
        self._before: tuple[dict[StageName, float], float] = ({}, 0.0)
        asyncio.get_running_loop().call_at(self._began_at, self._begin)

    def _begin(self) -> None:
        self._before = self._busy()

    def _busy(self) -> tuple[dict[StageName, float], float]:
        cores = self._system.cores
        busy: dict[StageName, float] = {
            stage: pool.total_busy_s for stage, pool in self._system.pools.items()
        }
        return busy, 0.0 if cores is None else cores.busy_s

    def read(self, run: LevelRun) -> Simulated:
        """Return the results of a level that has ended."""
        (busy_s, cores_s), (busy_before_s, cores_before_s) = self._busy(), self._before
        elapsed_s = max(1e-9, now() - self._began_at)
        busy: dict[StageName, float] = {
            stage: (busy_s[stage] - busy_before_s.get(stage, 0.0))
            / elapsed_s
            / len(self._system.pools[stage].replicas)
            for stage in STAGES
        }
        units = self._system.profile.shared_cores
        share = (cores_s - cores_before_s) / elapsed_s / units if units else 0.0
        return Simulated(summarize(run), busy, share)
