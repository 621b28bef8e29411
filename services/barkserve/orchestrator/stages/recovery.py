"""What a call does after a replica has refused it, failed or gone away. Knows no messages."""

import logging

from barkserve.discovery.replica import Replica
from barkserve.errors import IdleTimeout, ModelExecutionFailed, Overloaded, StageUnavailable
from barkserve.orchestrator.stages.call_observer import CallObserver
from barkserve.orchestrator.stages.outage import Outage
from barkserve.orchestrator.stages.pool import StagePool
from barkserve.orchestrator.stages.retry import RetryPolicy

_log = logging.getLogger(__name__)

MAX_FAILURES = 3
"""Replicas in a row that fail or disappear after they admitted a stream and before they answer.
The stream fails then: it may be the stream that breaks every replica."""


class ReplicaHung(Exception):
    """The call was cancelled here, because its replica hangs and another one has room."""


class Recovery:
    """Keeps what a call has tried, and pauses before it tries again. Made for one call.

    Args:
        pool: the stage's replicas.
        retry_policy: how long to wait for replicas that have no room or are down.
        observer: is told when the call leaves a replica.

    Attributes:
        tried: addresses of replicas that have refused or failed since one last worked.
        outage: limits the wait while no replica is usable.
    """

    def __init__(self, pool: StagePool, retry_policy: RetryPolicy, observer: CallObserver) -> None:
        self.tried: set[str] = set()
        self.outage = Outage(pool.wait_s, retry_policy.lead_s)
        self._pool = pool
        self._retry_policy = retry_policy
        self._observer = observer
        self._rounds = 0  # how often all replicas had no room
        self._waited_s = 0.0  # for room
        self._failures = 0

    def worked(self) -> None:
        """Note that a replica works. Earlier failures no longer count."""
        self.tried.clear()
        self._failures = 0
        self.outage.end()

    async def refused(self, replica: Replica, error: Overloaded) -> None:
        """Pause if no replica has room.

        Raises:
            Overloaded: the retry policy allows no more waiting.
        """
        self.tried.add(replica.address)
        if self._pool.has_untried(self.tried):
            return
        self.tried.clear()
        self._rounds += 1
        paused_s = await self._retry_policy.pause(self._rounds, self._waited_s, error.retry_after_s)
        if not paused_s:
            raise error
        self._waited_s += paused_s

    def ended_early(self, error: ReplicaHung | IdleTimeout) -> None:
        """Note that the call leaves a replica that has not failed."""
        if isinstance(error, IdleTimeout):  # the stage gave the place of a quiet stream away
            self.worked()
            _log.info("a quiet stream continues in a new call: %s", error)
        else:
            self._observer.failed_over(self._pool.stage, "hung")
            _log.warning("moving a stream: %s", error)

    async def failed(
        self, replica: Replica, error: StageUnavailable | ModelExecutionFailed, *, admitted: bool
    ) -> None:
        """Avoid a replica that has failed or cannot be reached; pause if all have been tried.

        Args:
            replica: the replica.
            error: what happened.
            admitted: the replica had admitted the call.

        Raises:
            StageUnavailable: no replica was usable for too long, or MAX_FAILURES disappeared.
            ModelExecutionFailed: MAX_FAILURES replicas failed.
        """
        self._pool.failed(replica)
        self.tried.add(replica.address)
        if admitted:  # it worked until now, so an earlier outage is over
            self.outage.end()
            self._failures += 1
            if self._failures == MAX_FAILURES:
                raise error
            reason = "lost" if isinstance(error, StageUnavailable) else "failed"
            self._observer.failed_over(self._pool.stage, reason)
        _log.warning("a stream lost its replica and tries again: %s", error)
        if not self._pool.has_untried(self.tried):
            self.tried.clear()
            if not await self.outage.pause():
                raise error
