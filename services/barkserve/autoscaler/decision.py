"""Computes the number of replicas from measurements. Pure.

Every running stream needs one second of audio per second from every stage. A replica that computes
`cost` seconds per second of audio can keep 1 / cost streams in real time; the target utilization
reserves a part of that. So the replicas of the stages settle at the ratio of their costs.
"""

import math
from dataclasses import dataclass

NORMAL_BACKLOG_S = 8.0
"""Backlog per stream that causes no audible gap: most of an utterance, because the stages before
this one are faster than real time."""

CATCH_UP_S = 10.0
"""Time in which a larger backlog should be worked off."""


@dataclass(frozen=True)
class Policy:
    """What the operator can choose.

    Attributes:
        target_utilization: share of a replica's capacity that running streams may use.
        assumed_streams: real-time streams per replica, assumed until the cost is measured.
    """

    target_utilization: float
    assumed_streams: float


@dataclass(frozen=True)
class Measured:
    """The measurements of a service.

    Attributes:
        streams: running streams in the whole system.
        backlog_s: seconds of audio asked of its replicas and not made yet.
        cost_s: compute seconds per second of audio; 0 if unknown or without a model.
        slots: streams that one replica computes at once; 0 if unknown.
        active: whether there were streams recently.
        hung: replicas that stopped reporting without closing their connection.
    """

    streams: int
    backlog_s: float
    cost_s: float
    slots: float
    active: bool
    hung: int = 0


@dataclass(frozen=True)
class Decision:
    """The number of replicas that a service should have.

    Attributes:
        demand: the work, in replicas, and the hung replicas while there is work.
        wanted: the demand, rounded up.
        streams_per_replica: real-time streams per replica.
        reason: one sentence that explains the number.
    """

    demand: float
    wanted: int
    streams_per_replica: float
    reason: str


def decide(measured: Measured, policy: Policy) -> Decision:
    """Compute the number of replicas that a service should have.

    A hung replica still counts as one for Kubernetes but does no work. It is therefore added to the
    replicas that the work needs.
    """
    carries, why = _streams_per_replica(measured, policy)
    excess_s = max(0.0, measured.backlog_s - NORMAL_BACKLOG_S * measured.streams)
    extra = excess_s / CATCH_UP_S
    demand = (measured.streams + extra) / carries
    hung = measured.hung if measured.active else 0
    wanted = max(math.ceil(demand - 1e-9), int(measured.active)) + hung
    reason = f"{measured.streams} streams / {carries:.3g} per replica ({why}) = {demand:.2f}"
    if extra:
        reason = (
            f"({measured.streams} streams + {excess_s:.1f} s of backlog in {CATCH_UP_S:g} s)"
            f" / {carries:.3g} per replica ({why}) = {demand:.2f}"
        )
    if not measured.active:
        reason = "no recent stream"
    elif wanted - hung > demand + 1:
        reason += "; one replica stays after recent streams"
    if hung:
        reason += f"; {hung} hung replicas do no work"
    return Decision(demand + hung, wanted, carries, reason)


def _streams_per_replica(measured: Measured, policy: Policy) -> tuple[float, str]:
    share = policy.target_utilization
    if measured.cost_s > 0:
        carries = share / measured.cost_s
        why = f"{measured.cost_s:.3g} s of compute per second of audio, {share:.0%} used"
    else:
        carries, why = policy.assumed_streams, "assumed, not measured yet"
    if 0 < measured.slots < carries:
        carries, why = measured.slots, "the number of its slots"
    return carries, why
