"""Follows the replicas of all services, and decides a few times per second."""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from barkserve.autoscaler.decision import Decision, Measured, Policy, decide
from barkserve.discovery.replica import Replica, loads_of
from barkserve.discovery.stage_cost import StageCost
from barkserve.errors import InvalidArgument
from barkserve.serving.load import Load

TICK_S = 0.25
ORCHESTRATOR = "orchestrator"


class Replicas(Protocol):
    """What the observer needs of a service's replicas. ReplicaSet implements it."""

    @property
    def replicas(self) -> Sequence[Replica]:
        """The current replicas, including draining ones."""

    def start(self) -> None:
        """Start to follow them."""

    def check_reports(self, now: float) -> None:
        """Mark replicas as stale whose reports stopped."""

    async def close(self) -> None:
        """Stop following them."""


@dataclass(frozen=True)
class Scaling:
    """The measurements of one service, and the decision."""

    measured: Measured
    decision: Decision
    replicas: Sequence[Replica]


class Observer:
    """Decides for every service.

    Args:
        sets: the replicas of every service, including the orchestrator.
        policy: how to decide.
        idle_s: seconds after the last stream for which a service stays active.
        clock: returns the time in seconds.
    """

    def __init__(
        self,
        sets: Mapping[str, Replicas],
        policy: Policy,
        idle_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._sets = sets
        self._policy = policy
        self._idle_s = idle_s
        self._clock = clock
        self._costs = {service: StageCost() for service in sets}
        self._taken: Mapping[tuple[str, str], float] = {}
        self._last_stream_at: float | None = None
        self._changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.services: Mapping[str, Scaling] = {}
        self.tick()

    def scaling(self, service: str) -> Scaling:
        """The latest decision for a service.

        Raises:
            InvalidArgument: there is no such service.
        """
        if service not in self.services:
            raise InvalidArgument(
                "scalerMetadata.stage", f"{service[:80]!r} is not one of {', '.join(self.services)}"
            )
        return self.services[service]

    async def start(self) -> None:
        """Start to follow the replicas."""
        for each in self._sets.values():
            each.start()
        self._task = asyncio.create_task(self._ticks(), name="autoscaler")

    async def stop(self) -> None:
        """Stop following the replicas."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        for each in self._sets.values():
            await each.close()

    async def next(self) -> None:
        """Wait for the next decision."""
        await self._changed.wait()

    async def _ticks(self) -> None:
        while True:
            self.tick()
            await asyncio.sleep(TICK_S)

    def tick(self) -> None:
        """Decide once, for every service."""
        now = self._clock()
        for each in self._sets.values():
            each.check_reports(now)
        loads = {service: loads_of(each.replicas) for service, each in self._sets.items()}
        streams = self._streams(loads)
        if self._any_new_stream(loads) or streams:
            self._last_stream_at = now
        last = self._last_stream_at
        active = last is not None and now - last <= self._idle_s
        services = {}
        for service, reported in loads.items():
            self._costs[service].observe(reported)
            measured = self._measure(service, reported, streams, active)
            decision = decide(measured, self._policy)
            services[service] = Scaling(measured, decision, self._sets[service].replicas)
        self.services = services
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    def _streams(self, loads: Mapping[str, Mapping[object, Load]]) -> int:
        """Streams in the system: those of the orchestrators, or of the stage that has most.

        Streams that the orchestrators could not accept count too. A client that calls again counts
        again, so they double the number at most.
        """
        streams = {
            service: sum(load.streams for load in each.values()) for service, each in loads.items()
        }
        if ORCHESTRATOR in loads:
            unmet = sum(load.queue for load in loads[ORCHESTRATOR].values())
            streams[ORCHESTRATOR] += min(unmet, streams[ORCHESTRATOR])
        return round(max(streams.values(), default=0))

    def _any_new_stream(self, loads: Mapping[str, Mapping[object, Load]]) -> bool:
        """Whether any replica has admitted a stream since the last decision.

        A stream may be shorter than the time between two reports. All streams of a new replica, or
        of a new process, count. Those of a replica that did not report for a while count once.
        """
        before, after = self._taken, {}
        for service, each in self._sets.items():
            for replica in each.replicas:
                key = (service, replica.address)
                load = loads[service].get(replica.address)
                after[key] = before.get(key, 0.0) if load is None else load.taken
        self._taken = after
        return any(taken and taken != before.get(key, 0.0) for key, taken in after.items())

    def _measure(
        self, service: str, loads: Mapping[object, Load], streams: int, active: bool
    ) -> Measured:
        slots = [load.slots for load in loads.values() if load.slots]
        cost = 0.0 if service == ORCHESTRATOR else self._costs[service].seconds
        return Measured(
            streams=streams,
            backlog_s=sum(load.backlog_seconds for load in loads.values()),
            cost_s=cost,
            slots=sum(slots) / len(slots) if slots else 0.0,
            active=active,
            hung=sum(replica.stale for replica in self._sets[service].replicas),
        )
