"""Chooses a replica: of two random candidates, the one with less load. Pure."""

import math
import random
from collections.abc import Callable, Collection, Sequence

from barkserve.discovery.replica import Replica

BACKLOG_S = 10.0
"""Seconds of audio still to be made that weigh as much as all slots."""

RELOAD_PRESSURE = 0.5
"""A replica with an offloaded model is avoided while another has less than this pressure."""

UNKNOWN_SLOTS = 16
"""Slots assumed of a replica that has not reported any."""


def pressure(replica: Replica) -> float:
    """The load of a replica, as far as is known; 1 means that all slots are in use.

    Counts its last report and the streams that it was given since.
    """
    load = replica.load
    if load is None or not load.slots:
        return replica.unreported_streams / UNKNOWN_SLOTS
    used = load.slots - load.slots_free + load.queue + replica.unreported_streams
    return used / load.slots + load.backlog_seconds / BACKLOG_S


def room(replica: Replica) -> float:
    """How many more streams a replica will admit; infinite if that is unknown."""
    load = replica.load
    if load is None or not load.slots:
        return math.inf
    return max(0.0, load.capacity - load.streams - replica.unreported_streams)


def usable(replica: Replica) -> bool:
    """Whether a replica may get a stream: it does not drain or hang, and can be reached.

    A replica that was found only just now is usable.
    """
    return not (replica.draining or replica.stale or replica.unreachable)


def accepts_moved_streams(replica: Replica, now: float) -> bool:
    """Whether a running stream may move to a replica: it reports its load and has not failed."""
    return usable(replica) and not (replica.silent or replica.avoided_until > now)


def offloaded(replica: Replica) -> bool:
    """Whether a replica would have to reload its model first."""
    return replica.load is not None and bool(replica.load.offloaded)


def choose(
    candidates: Sequence[Replica],
    tried: Collection[str],
    now: float,
    sample: Callable[[Sequence[Replica], int], list[Replica]] = random.sample,
) -> Replica | None:
    """Choose the replica for the next stream; None if no replica is usable.

    The usable ones are ranked, in this order, by: not tried for this stream, not avoided, with
    room, and with a loaded model while one of those has little load. Of two random replicas of the
    best rank, the one with less load is chosen.

    Args:
        candidates: all replicas.
        tried: addresses that have failed this stream.
        now: time.monotonic().
        sample: random.sample, or a fake.
    """
    able = [replica for replica in candidates if usable(replica)]
    if not able:
        return None

    avoid_reload = any(not offloaded(each) and pressure(each) < RELOAD_PRESSURE for each in able)

    def rank(replica: Replica) -> tuple[bool, ...]:
        return (
            replica.address in tried,
            replica.avoided_until > now,
            room(replica) == 0,
            avoid_reload and offloaded(replica),
        )

    best = min(map(rank, able))
    equals = [replica for replica in able if rank(replica) == best]
    return min(sample(equals, min(2, len(equals))), key=pressure)
