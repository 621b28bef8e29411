"""From what is measured to how many replicas a service should have. Pure arithmetic.

Every running stream wants a second of audio a second from every stage. A replica that needs `cost`
seconds for one keeps 1 / cost streams in real time, and fewer with some room to breathe. So the
stages settle at the ratio of their costs.
"""

import math
from dataclasses import dataclass

NORMAL_BACKLOG_S = 8.0
"""Audio that a stream may have waiting in a stage without anybody hearing it: most of an utterance,
for the stages before are quicker than speech."""

CATCH_UP_S = 10.0
"""In how long a backlog beyond that is to be worked off."""


@dataclass(frozen=True)
class Policy:
    """What an operator may choose.

    Attributes:
        target_utilization: share of a replica's capacity that running streams may take.
        assumed_streams: streams that a replica keeps in real time, until it has been measured.
    """

    target_utilization: float
    assumed_streams: float


@dataclass(frozen=True)
class Measured:
    """A service as it is now.

    Attributes:
        streams: running in the whole system.
        backlog_s: seconds of audio that its replicas were given and have not made.
        cost_s: seconds of compute for a second of audio; 0 if unknown or if it computes nothing.
        slots: streams that one replica computes at once; 0 if unknown.
        active: whether there were streams lately.
    """

    streams: int
    backlog_s: float
    cost_s: float
    slots: float
    active: bool


@dataclass(frozen=True)
class Decision:
    """How many replicas there should be.

    Attributes:
        demand: replicas' worth of work.
        wanted: the next whole number.
        streams_per_replica: what one replica carries.
        reason: one sentence for a person.
    """

    demand: float
    wanted: int
    streams_per_replica: float
    reason: str


def decide(measured: Measured, policy: Policy) -> Decision:
    """How many replicas of a service there should be."""
    carries, why = _streams_per_replica(measured, policy)
    excess_s = max(0.0, measured.backlog_s - NORMAL_BACKLOG_S * measured.streams)
    extra = excess_s / CATCH_UP_S
    demand = (measured.streams + extra) / carries
    wanted = max(math.ceil(demand - 1e-9), int(measured.active))
    reason = f"{measured.streams} streams / {carries:.3g} a replica ({why}) = {demand:.2f}"
    if extra:
        reason = (
            f"({measured.streams} streams + {excess_s:.1f} s of backlog in {CATCH_UP_S:g} s)"
            f" / {carries:.3g} a replica ({why}) = {demand:.2f}"
        )
    if not measured.active:
        reason = "no stream for a while"
    elif wanted > demand + 1:
        reason += "; one is kept while there were streams lately"
    return Decision(demand, wanted, carries, reason)


def _streams_per_replica(measured: Measured, policy: Policy) -> tuple[float, str]:
    share = policy.target_utilization
    if measured.cost_s > 0:
        carries = share / measured.cost_s
        why = f"{measured.cost_s:.3g} s of compute a second of audio, {share:.0%} used"
    else:
        carries, why = policy.assumed_streams, "assumed: not measured yet"
    if 0 < measured.slots < carries:
        carries, why = measured.slots, "as many as it has slots"
    return carries, why
