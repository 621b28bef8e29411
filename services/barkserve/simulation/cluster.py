"""A cluster that scales the stages: the services' autoscaler, an HPA for each stage, and pods."""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

from barkserve.autoscaler.decision import Policy
from barkserve.autoscaler.observer import ORCHESTRATOR, Observer, Replicas
from barkserve.config.autoscaler import AutoscalerOptions
from barkserve.constants import STAGES, StageName
from barkserve.discovery.endpoint import Endpoint
from barkserve.discovery.replica import Replica
from barkserve.serving.channel import Dialer
from barkserve.serving.load import load_of
from barkserve.simulation.hpa import HorizontalPodAutoscaler, ScalingBehavior
from barkserve.simulation.replica import SimulatedReplica
from barkserve.simulation.system import System
from barkserve.simulation.virtual_time import now

_DRAIN_POLL_S = 0.5


@dataclass(frozen=True)
class Scaling:
    """How a cluster scales.

    Attributes:
        target_utilization: see `barkserve autoscaler`.
        idle_s: see `barkserve autoscaler`.
        assumed_streams: see `barkserve autoscaler`.
        behavior: of the HPAs.
        startup_s: from the decision to a ready replica: node, image, checkpoint, warm-up.
        least: fewest replicas of each stage.
        most: most replicas of each stage.
        unready_s: from the loss of a zone until its replicas leave discovery.
        evict_s: from the loss of a zone until its replicas are replaced.
    """

    target_utilization: float = AutoscalerOptions.target_utilization
    idle_s: float = AutoscalerOptions.idle_seconds
    assumed_streams: float = AutoscalerOptions.assumed_streams
    behavior: ScalingBehavior = field(default_factory=ScalingBehavior)
    startup_s: float = 60.0
    least: int = 1
    most: int = 1000
    unready_s: float = 40.0
    evict_s: float = 340.0


class OrchestratorSet:
    """The orchestrator, as the autoscaler sees it."""

    def __init__(self, system: System) -> None:
        self._replica = Replica(Endpoint("orchestrator:0"), Dialer(), "")
        self._admission = system.admission
        self._read = load_of(system.admission)
        self.check_reports(now())

    @property
    def replicas(self) -> tuple[Replica, ...]:
        """The orchestrators together."""
        return (self._replica,)

    def start(self) -> None:
        """Do nothing: there are no connections."""

    async def close(self) -> None:
        """Do nothing."""

    def check_reports(self, at: float) -> None:
        """Take a fresh load report."""
        self._replica.note_report(replace(self._read(), queue=self._admission.unmet), at)


@dataclass
class _Workload:
    """One stage's pods: the ready ones are in the pool."""

    hpa: HorizontalPodAutoscaler
    starting: int = 0
    draining: int = 0
    gone: int = 0  # lost with a zone and not replaced yet
    spec: int = 0  # as of the last decision


class Cluster:
    """Scales the stages of a system.

    Args:
        system: the services.
        scaling: how to scale.
    """

    def __init__(self, system: System, scaling: Scaling) -> None:
        self._system = system
        self._scaling = scaling
        self._tasks: set[asyncio.Task[None]] = set()
        self.workloads: dict[StageName, _Workload] = {}
        for stage in STAGES:
            hpa = HorizontalPodAutoscaler(scaling.behavior, scaling.least, scaling.most)
            self.workloads[stage] = _Workload(hpa, spec=len(system.pools[stage].replicas))
        policy = Policy(scaling.target_utilization, scaling.assumed_streams)
        sets: dict[str, Replicas] = {ORCHESTRATOR: OrchestratorSet(system)}
        sets.update(system.pools.items())
        self._observer = Observer(sets, policy, scaling.idle_s, now)

    async def start(self) -> None:
        """Start to scale."""
        await self._observer.start()
        self._spawn(self._syncs())

    async def stop(self) -> None:
        """Stop to scale."""
        for task in self._tasks:
            task.cancel()
        await self._observer.stop()

    def pods(self) -> Mapping[StageName, int]:
        """Pods that cost money: starting, ready, draining and lost ones."""
        return {
            stage: len(self._ready(stage)) + each.starting + each.draining + each.gone
            for stage, each in self.workloads.items()
        }

    def lose_zone(self, zone: int) -> None:
        """Lose all replicas of a zone at once. Their connections stay open."""
        for stage in STAGES:
            lost = [each for each in self._ready(stage) if each.zone == zone]
            for each in lost:
                each.hang()
                self.workloads[stage].gone += 1
                self._spawn(self._replace(stage, each))

    def _ready(self, stage: StageName) -> list[SimulatedReplica]:
        replicas = self._system.pools[stage].replicas
        return [each for each in replicas if not (each.lost or each.draining)]

    async def _replace(self, stage: StageName, replica: SimulatedReplica) -> None:
        await asyncio.sleep(self._scaling.unready_s)
        self._system.pools[stage].remove(replica)
        await asyncio.sleep(self._scaling.evict_s - self._scaling.unready_s)
        self.workloads[stage].gone -= 1
        self._resize(stage)

    async def _syncs(self) -> None:
        while True:
            for stage, workload in self.workloads.items():
                decision = self._observer.scaling(stage)
                workload.spec = workload.hpa.replicas(
                    now(), decision.decision.demand, workload.spec, active=decision.measured.active
                )
                self._resize(stage)
            await asyncio.sleep(self._scaling.behavior.sync_s)

    def _resize(self, stage: StageName) -> None:
        """Start or drain pods, as the Deployment does."""
        workload, ready = self.workloads[stage], self._ready(stage)
        existing = len(ready) + workload.starting + workload.gone
        for _ in range(workload.spec - existing):
            workload.starting += 1
            self._spawn(self._start_pod(stage))
        for replica in ready[max(1, len(ready) - max(0, existing - workload.spec)) :]:
            workload.draining += 1
            replica.drain()
            self._spawn(self._drain_pod(stage, replica))

    async def _start_pod(self, stage: StageName) -> None:
        await asyncio.sleep(self._scaling.startup_s)
        self.workloads[stage].starting -= 1
        self._system.pools[stage].add()
        self._resize(stage)

    async def _drain_pod(self, stage: StageName, replica: SimulatedReplica) -> None:
        while replica.admission.active and not replica.lost:  # noqa: ASYNC110
            await asyncio.sleep(_DRAIN_POLL_S)
        self.workloads[stage].draining -= 1
        if not replica.lost:
            self._system.pools[stage].remove(replica)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        async def run() -> None:
            with suppress(asyncio.CancelledError):
                await work

        task = asyncio.create_task(run())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


Event = tuple[float, Callable[[System, Cluster], None]]
"""When something happens, and what."""


def slower(stage: StageName, factor: float) -> Callable[[System, Cluster], None]:
    """Make a stage slower by a factor."""
    return lambda system, _: system.change_profile(system.profile.with_slower(stage, factor))


def zone_lost(zone: int) -> Callable[[System, Cluster], None]:
    """Lose a zone."""
    return lambda _, cluster: cluster.lose_zone(zone)
