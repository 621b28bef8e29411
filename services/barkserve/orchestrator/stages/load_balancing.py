"""Whose turn it is: two replicas drawn at random, and of them the one with less to do. Pure."""

import random
from collections.abc import Callable, Sequence

from barkserve.discovery.replica import Replica

BACKLOG_S = 10.0
"""Seconds of audio to be made that weigh as much as a full house."""

AWAKE_ENOUGH = 0.5
"""Up to this pressure a replica has a stream sooner than one whose model has to come back."""

UNKNOWN_SLOTS = 16
"""Assumed of a replica that has not said how many it has."""


def pressure(replica: Replica) -> float:
    """How much a replica has to do, as far as is known: its last report, and what was given to it
    since. 1 is a full house.
    """
    load = replica.load
    if load is None or not load.slots:
        return replica.given / UNKNOWN_SLOTS
    taken = load.slots - load.slots_free + load.queue + replica.given
    return taken / load.slots + load.backlog_seconds / BACKLOG_S


def has_room(replica: Replica) -> bool:
    """Whether it will take another stream, as far as is known."""
    load = replica.load
    return load is None or not load.slots or load.streams + replica.given < load.capacity


def away(replica: Replica) -> bool:
    """Whether its model would have to come back to its device first."""
    return replica.load is not None and bool(replica.load.away)


def choose(
    candidates: Sequence[Replica],
    tried: frozenset[str],
    now: float,
    sample: Callable[[Sequence[Replica], int], list[Replica]] = random.sample,
) -> Replica | None:
    """The replica for the next stream, None if there is none that may have it.

    Draining ones never. Otherwise those that are better in the first of these respects go before
    all others: not tried for this very stream, not avoided, reachable, with room, and awake while
    one that is awake has not much to do. Among the best two are drawn, and the less busy one is
    chosen.

    Args:
        candidates: all replicas.
        tried: addresses that have failed this stream.
        now: time.monotonic().
        sample: random.sample, or a fake.
    """
    able = [replica for replica in candidates if not replica.draining]
    if not able:
        return None

    awake_will_do = any(not away(each) and pressure(each) < AWAKE_ENOUGH for each in able)

    def rank(replica: Replica) -> tuple[bool, ...]:
        return (
            replica.address in tried,
            replica.avoided_until > now,
            replica.silent and replica.failures > 0,
            not has_room(replica),
            awake_will_do and away(replica),
        )

    best = min(map(rank, able))
    equals = [replica for replica in able if rank(replica) == best]
    return min(sample(equals, min(2, len(equals))), key=pressure)
