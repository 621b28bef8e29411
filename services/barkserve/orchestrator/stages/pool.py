"""The replicas of one stage: picks one per stream, avoids failed and hung ones.

Knows no messages.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager

import grpc

from barkserve.constants import StageName
from barkserve.discovery.endpoint import Resolver
from barkserve.discovery.replica import Replica, loads_of
from barkserve.discovery.replica_set import ReplicaSet
from barkserve.discovery.stage_cost import StageCost
from barkserve.errors import StageUnavailable
from barkserve.orchestrator.stages.load_balancing import (
    accepts_moved_streams,
    choose,
    room,
    usable,
)
from barkserve.orchestrator.stages.outage import Outage
from barkserve.serving.channel import Dialer

_log = logging.getLogger(__name__)

FIRST_AVOID_S, MAX_AVOID_S = 1.0, 30.0
"""How long a replica that failed is avoided while there are others; doubles with each failure."""

CHECK_INTERVAL_S = 0.25
"""How often the age of load reports is checked."""

POLL_S = 0.2
"""How often a stream that waits for a usable replica looks again."""

_ADDRESSES_IN_MESSAGE = 5


class StagePool:
    """A stage's replicas.

    Args:
        stage: the stage's name.
        resolver: finds its replicas.
        dialer: opens channels to them.
        wait_s: seconds that a stream waits for a usable replica, which may be starting. It waits
            longer while the listener still has audio.
        checkpoint_revision: calls want stages with this one; empty accepts all.

    Attributes:
        cost: the compute time that its models take.
    """

    def __init__(
        self,
        stage: StageName,
        resolver: Resolver,
        dialer: Dialer,
        wait_s: float = 0.0,
        checkpoint_revision: str = "",
    ) -> None:
        self.stage = stage
        self.checkpoint_revision = checkpoint_revision
        self.cost = StageCost()
        self._set = ReplicaSet(stage, resolver, dialer)
        self.wait_s = wait_s
        self._down = False  # whether no replica is usable, as far as streams have noticed
        self._moves: dict[Callable[[], None], Replica] = {}  # of the running streams
        self._checking: asyncio.Task[None] | None = None

    @property
    def replicas(self) -> Sequence[Replica]:
        """All known replicas."""
        return self._set.replicas

    @property
    def resolved(self) -> bool:
        """Whether discovery has answered."""
        return self._set.resolved

    def start(self) -> None:
        """Watch for replicas and their load; needs a running event loop."""
        self._set.start()
        if self._checking is None:
            self._checking = asyncio.create_task(self._check(), name=f"reports: {self.stage}")

    async def pick(self, tried: Collection[str], outage: Outage) -> Replica:
        """Pick the replica for the next stream; wait until one is usable.

        Args:
            tried: addresses that have failed this stream; others are preferred.
            outage: limits the wait.

        Raises:
            StageUnavailable: no replica is usable, also after the wait.
        """
        self.start()
        while True:
            chosen = choose(self._set.replicas, tried, time.monotonic())
            if chosen is not None:
                self._note_up()
                return chosen
            left = outage.left_s()
            if left <= 0:
                raise StageUnavailable(
                    f"the {self.stage} stage has no usable replica ({self._addresses()}), also "
                    f"after a wait of {self.wait_s:g} s. Check that it runs and is healthy, or "
                    "raise --replica-wait-seconds"
                )
            await self._set.wait_for_change(min(left, POLL_S))
            self._note_down()

    def has_untried(self, tried: Collection[str]) -> bool:
        """Whether there is a usable replica that has not failed a stream.

        Args:
            tried: addresses that have failed the stream.
        """
        return any(usable(each) and each.address not in tried for each in self.replicas)

    @contextmanager
    def stream(self, replica: Replica, move: Callable[[], None]) -> Iterator[grpc.aio.Channel]:
        """Count a stream to a replica; yields the channel for it.

        Args:
            replica: the replica.
            move: called when the replica hangs and another one has room for the stream.
        """
        replica.begin_stream()
        self._moves[move] = replica
        try:
            with replica.stream() as channel:
                yield channel
        finally:
            self._moves.pop(move, None)
            replica.end_stream()

    def failed(self, replica: Replica) -> None:
        """Avoid a replica for a while: it broke off or could not be reached."""
        pause = min(MAX_AVOID_S, FIRST_AVOID_S * 2**replica.failures)
        replica.failures += 1
        replica.avoided_until = time.monotonic() + pause

    def answered(self, replica: Replica) -> None:
        """Forget a replica's failures: it works."""
        replica.failures = 0
        replica.avoided_until = 0.0

    def move_streams(self, now: float) -> None:
        """Move the streams of hung replicas, as far as other replicas have room for them.

        The others keep waiting: a replica that is only slow must not cost a stream.

        Args:
            now: time.monotonic().
        """
        hung = [move for move, replica in self._moves.items() if replica.stale]
        left = sum(room(each) for each in self.replicas if accepts_moved_streams(each, now))
        for move in hung:
            if left < 1:
                return
            left -= 1
            del self._moves[move]
            move()

    async def close(self) -> None:
        """Close all channels."""
        if self._checking is not None:
            self._checking.cancel()
            await asyncio.gather(self._checking, return_exceptions=True)
        await self._set.close()

    def _note_down(self) -> None:
        if not self._down and not any(map(usable, self.replicas)):
            self._down = True
            reasons = "; ".join(filter(None, (each.unreachable for each in self.replicas)))
            _log.warning(
                "streams wait for the %s stage, which has no usable replica (%s)%s",
                self.stage,
                self._addresses(),
                f": {reasons}" if reasons else "",
            )

    def _note_up(self) -> None:
        if self._down:
            self._down = False
            _log.warning("the %s stage has a usable replica again", self.stage)

    def _addresses(self) -> str:
        addresses = [each.address + each.via for each in self.replicas]
        if not addresses:
            return "none was found"
        shown = ", ".join(addresses[:_ADDRESSES_IN_MESSAGE])
        hidden = len(addresses) - _ADDRESSES_IN_MESSAGE
        return f"tried {shown} and {hidden} more" if hidden > 0 else f"tried {shown}"

    async def _check(self) -> None:
        while True:
            await asyncio.sleep(CHECK_INTERVAL_S)
            now = time.monotonic()
            self._set.check_reports(now)
            self.cost.observe(loads_of(self._set.replicas))
            self.move_streams(now)
