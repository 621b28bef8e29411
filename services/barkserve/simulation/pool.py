"""The replicas of one stage, as the orchestrator and the autoscaler see them."""

import asyncio
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from barkserve.constants import StageName
from barkserve.discovery.replica import loads_of
from barkserve.discovery.report_clock import ReportClock
from barkserve.discovery.stage_cost import StageCost
from barkserve.orchestrator.stages.load_balancing import choose
from barkserve.orchestrator.stages.pool import POLL_S
from barkserve.simulation.device import Device, OwnDevice
from barkserve.simulation.profile import Profile
from barkserve.simulation.replica import SimulatedReplica
from barkserve.simulation.virtual_time import now


class SimulatedPool:
    """The replicas of one stage. Chooses one for each stream by the orchestrator's rules.

    Args:
        stage: the stage's name.
        read_profile: returns the profile, whose times may change during a run.
        shared: the device of all replicas; None: each has its own.
        zones: over which replicas are spread.
        seed: of the choice of replicas.

    Attributes:
        cost: the compute time that its models take.
        busy_s: seconds that its removed replicas computed.
    """

    def __init__(
        self,
        stage: StageName,
        read_profile: Callable[[], Profile],
        shared: Device | None,
        zones: int,
        seed: int,
    ) -> None:
        self.stage = stage
        self.cost = StageCost(now)
        self.busy_s = 0.0
        self._read_profile = read_profile
        self._shared = shared
        self._zones = zones
        self._random = random.Random(f"{seed} {stage}")
        self._replicas: list[SimulatedReplica] = []
        self._clock = ReportClock(now())
        self._count = 0

    @property
    def replicas(self) -> Sequence[SimulatedReplica]:
        """All replicas that discovery knows, including draining and hung ones."""
        return tuple(self._replicas)

    @property
    def total_busy_s(self) -> float:
        """Seconds that all models have computed."""
        return self.busy_s + sum(each.engine.busy_s for each in self._replicas)

    def start(self) -> None:
        """Do nothing: there are no connections."""

    async def close(self) -> None:
        """Do nothing."""

    def add(self) -> SimulatedReplica:
        """Add a replica that is ready."""
        profile = self._read_profile()
        replica = SimulatedReplica(
            self.stage,
            self._count,
            self._count % self._zones,
            profile.stages[self.stage],
            self._shared or OwnDevice(),
            interruptible=profile.interruptible,
        )
        self._count += 1
        self._replicas.append(replica)
        replica.report()
        return replica

    def remove(self, replica: SimulatedReplica) -> None:
        """Forget a replica."""
        self._replicas.remove(replica)
        self.busy_s += replica.engine.busy_s
        replica.engine.lose()

    def change_times(self) -> None:
        """Give all replicas the times of the current profile."""
        for replica in self._replicas:
            replica.engine.times = self._read_profile().stages[self.stage]

    def report(self) -> None:
        """Send the load reports of all replicas."""
        for replica in self._replicas:
            replica.report()

    def check_reports(self, at: float) -> None:
        """Find the replicas that hang; their streams move to others."""
        self._clock.check(at)
        for replica in self._replicas:
            was_stale = replica.stale
            replica.check_reports(self._clock)
            if replica.stale and not was_stale:
                replica.engine.lose()

    def observe(self) -> None:
        """Add the newest load reports to the cost."""
        self.cost.observe(loads_of(self._replicas))

    async def pick(self) -> SimulatedReplica:
        """Pick the replica for the next stream; wait until one is usable."""
        while True:
            chosen = choose(self._replicas, (), now(), self._random.sample)
            if isinstance(chosen, SimulatedReplica):
                return chosen
            await asyncio.sleep(POLL_S)

    @contextmanager
    def stream(self, replica: SimulatedReplica) -> Iterator[None]:
        """Count a stream to a replica."""
        replica.begin_stream()
        try:
            yield
        finally:
            replica.end_stream()
