"""The number of streams that the stages serve in real time.

A stream needs one second of audio per second from every stage. A replica whose model computes c
seconds for a second of audio therefore sustains share / c streams. The load reports give c, as a
function of the number of streams (`discovery.stage_cost`). The capacity of a stage is the sum over
its replicas, and that of the system is its slowest stage's:

    capacity = min over stages of (sum over replicas of min(slots, share / c))

It is never below 1, so that a machine slower than real time still speaks. Until a stage has been
measured, an assumption takes its place. A stage without replicas counts as one replica: the streams
that wait for it make it scale up.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from barkserve.constants import StageName
from barkserve.discovery.replica import Replica
from barkserve.discovery.stage_cost import StageCost
from barkserve.orchestrator.stages.load_balancing import usable


class MeasuredPool(Protocol):
    """What the capacity needs of a stage's replicas. StagePool implements it.

    Attributes:
        cost: the compute time that its models take.
    """

    cost: StageCost

    @property
    def replicas(self) -> Sequence[Replica]:
        """All known replicas."""


@dataclass(frozen=True)
class Capacity:
    """What the stages can do now.

    Attributes:
        streams: streams that play without underruns, of all orchestrators together.
        elsewhere: streams of other orchestrators.
        rate: seconds of audio per second that the stages make when they are full.
        stage: the stage that limits; empty if nothing is measured.
        assumed: streams that were assumed before anything was measured.
    """

    streams: float
    elsewhere: float = 0.0
    rate: float = 1.0
    stage: str = ""
    assumed: float = math.inf

    def less(self, streams: float) -> "Capacity":
        """What is left without the capacity for some streams."""
        return replace(self, streams=self.streams - streams, rate=self.rate - streams)


class RateCapacity:
    """Reads the capacity from the load reports of all stages.

    Args:
        pools: the replicas of each stage.
        share: share of the measured capacity that streams may use.
        assumed_streams: real-time streams per replica until its stage has been measured.
    """

    def __init__(
        self, pools: Mapping[StageName, MeasuredPool], share: float, assumed_streams: float
    ) -> None:
        self._pools = pools
        self._share = share
        self._assumed_streams = assumed_streams

    def __call__(self) -> Capacity:
        """Return the capacity as of the last load reports."""
        streams = {stage: self._streams(pool) for stage, pool in self._pools.items()}
        stage = min(streams, key=lambda each: streams[each])
        return Capacity(
            streams=streams[stage],
            elsewhere=max(_elsewhere(pool) for pool in self._pools.values()),
            rate=streams[stage] / self._share,
            stage=stage,
            assumed=min(_sum(pool, self._assumed_streams) for pool in self._pools.values()),
        )

    def _streams(self, pool: MeasuredPool) -> float:
        return _sum(pool, pool.cost.real_time_streams(self._share, self._assumed_streams))


def unlimited(read: Callable[[], Capacity]) -> Callable[[], Capacity]:
    """Read the rate only, for a server that limits nothing but the number of streams."""
    return lambda: replace(read(), streams=math.inf, elsewhere=0.0, assumed=math.inf)


def _sum(pool: MeasuredPool, each: float) -> float:
    """Streams of all replicas of a stage, at least 1. A stage without any counts as one."""
    replicas = [min(each, _slots(replica)) for replica in pool.replicas if _reports(replica)]
    return max(1.0, sum(replicas) if replicas else each)


def _reports(replica: Replica) -> bool:
    return usable(replica) and not replica.silent


def _slots(replica: Replica) -> float:
    """Slots of a replica; infinite if it does not report any."""
    return (replica.load.slots if replica.load else 0) or math.inf


def _elsewhere(pool: MeasuredPool) -> float:
    return sum(replica.streams_elsewhere for replica in pool.replicas)
