"""Whether all stages can be reached."""

import time
from collections.abc import Callable, Iterable

from barkserve.orchestrator.stages.load_balancing import usable
from barkserve.orchestrator.stages.pool import StagePool


class StageReadiness:
    """Says why streams cannot be served.

    A stage can serve streams if a usable replica reports its load. So can a stage for which
    discovery finds no replicas: streams wait for it, and make it scale up from zero. Replicas that
    are listed but cannot be reached are an obstacle.

    Args:
        pools: the replicas of each stage.
        grace_s: time that a stage may be lost before it counts. Streams wait as long for it.
        clock: returns the time in seconds.
    """

    def __init__(
        self,
        pools: Iterable[StagePool],
        grace_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._pools = tuple(pools)
        self._grace_s = grace_s
        self._clock = clock
        self._ready_at: float | None = None

    def obstacle(self) -> str:
        """The stages that cannot be reached; empty if there are none, or not for long."""
        now = self._clock()
        lost = [pool.stage for pool in self._pools if not _reachable(pool)]
        if not lost:
            self._ready_at = now
        elif self._ready_at is None or now - self._ready_at > self._grace_s:
            return f"no usable replica of {', '.join(lost)} can be reached"
        return ""


def _reachable(pool: StagePool) -> bool:
    if not pool.resolved:
        return False
    return not pool.replicas or any(usable(each) and not each.silent for each in pool.replicas)
