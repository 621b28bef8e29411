"""The replicas of one stage: picks one per stream, avoids failed ones. Knows no messages."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import grpc

from barkserve.constants import StageName
from barkserve.discovery.endpoint import Resolver
from barkserve.discovery.replica import Replica
from barkserve.discovery.replica_set import ReplicaSet
from barkserve.errors import StageUnavailable
from barkserve.orchestrator.stages.load_balancing import choose
from barkserve.serving.channel import Dialer

FIRST_AVOID_S, MAX_AVOID_S = 1.0, 30.0
"""How long a replica that failed is avoided while there are others; doubles with each failure."""

_POLL_S = 0.2


class StagePool:
    """A stage's replicas.

    Args:
        stage: the stage's name.
        resolver: finds its replicas.
        dialer: opens channels to them.
        wait_s: how long a stream waits for a stage without replicas, which may be starting.
    """

    def __init__(
        self, stage: StageName, resolver: Resolver, dialer: Dialer, wait_s: float = 0.0
    ) -> None:
        self.stage = stage
        self._set = ReplicaSet(stage, resolver, dialer)
        self._wait_s = wait_s

    @property
    def replicas(self) -> Sequence[Replica]:
        """All known replicas."""
        return self._set.replicas

    def start(self) -> None:
        """Watch for replicas and their load; needs a running event loop."""
        self._set.start()

    async def pick(self, tried: frozenset[str] = frozenset()) -> Replica:
        """Pick the replica for the next stream.

        Args:
            tried: addresses that have failed this stream; others are preferred.

        Raises:
            StageUnavailable: no replica takes streams, also after the wait.
        """
        self.start()
        deadline = time.monotonic() + max(self._wait_s, _POLL_S)
        while True:
            chosen = choose(self._set.replicas, tried, time.monotonic())
            if chosen is not None:
                return chosen
            left = deadline - time.monotonic()
            if left <= 0:
                raise StageUnavailable(
                    f"the {self.stage} stage has no replica that takes streams; "
                    "check that it runs and is healthy"
                )
            await self._set.wait_for_change(min(left, _POLL_S))

    @contextmanager
    def stream(self, replica: Replica) -> Iterator[grpc.aio.Channel]:
        """Count a stream to a replica; yields the channel for it."""
        replica.unreported_streams += 1
        with replica.stream() as channel:
            yield channel

    def failed(self, replica: Replica) -> None:
        """Avoid a replica for a while: it broke off or could not be reached."""
        pause = min(MAX_AVOID_S, FIRST_AVOID_S * 2**replica.failures)
        replica.failures += 1
        replica.avoided_until = time.monotonic() + pause

    def answered(self, replica: Replica) -> None:
        """Forget a replica's failures: it works."""
        replica.failures = 0
        replica.avoided_until = 0.0

    async def close(self) -> None:
        """Close all channels."""
        await self._set.close()
