"""The arithmetic of Kubernetes' HorizontalPodAutoscaler (autoscaling/v2). Pure."""

import math
from collections import deque
from dataclasses import dataclass, field

TOLERANCE = 0.1


@dataclass(frozen=True)
class ScalingBehavior:
    """How fast the number of replicas may change. The defaults are those of the chart.

    Attributes:
        sync_s: seconds between two decisions.
        up_pods: replicas that one period may add ...
        up_share: ... or this share of the current ones, whichever is more.
        up_period_s: that period.
        down_pods: replicas that one period may remove.
        down_period_s: that period.
        stabilization_s: the highest recommendation of this time counts for scaling down.
    """

    sync_s: float = 15.0
    up_pods: float = 2.0
    up_share: float = 1.0
    up_period_s: float = 15.0
    down_pods: float = 1.0
    down_period_s: float = 60.0
    stabilization_s: float = 300.0


@dataclass
class HorizontalPodAutoscaler:
    """Decides the number of replicas of one workload from an external metric.

    Args:
        behavior: how fast the number may change.
        least: the fewest replicas.
        most: the most replicas.
    """

    behavior: ScalingBehavior
    least: int
    most: int
    _recommended: deque[tuple[float, int]] = field(default_factory=deque)
    _changes: deque[tuple[float, int]] = field(default_factory=lambda: deque(maxlen=64))

    def replicas(self, now: float, demand: float, current: int, *, active: bool) -> int:
        """Return the number of replicas that the workload should have.

        Args:
            now: the time in seconds.
            demand: the metric, whose target is 1 per replica.
            current: replicas as of the last decision.
            active: whether there must be a replica.
        """
        wanted = math.ceil(demand - 1e-9)
        if current and abs(demand / current - 1) <= TOLERANCE:
            wanted = current
        wanted = min(self.most, max(wanted, self.least, int(active)))
        self._recommended.append((now, wanted))
        while self._recommended[0][0] < now - self.behavior.stabilization_s:
            self._recommended.popleft()
        highest = max(replicas for _, replicas in self._recommended)
        decided = wanted if wanted >= current else min(current, highest)
        decided = self._limited(now, current, decided)
        if decided != current:
            self._changes.append((now, decided - current))
        return decided

    def _limited(self, now: float, current: int, wanted: int) -> int:
        """Limit a change to what the period has left."""
        each = self.behavior
        if wanted > current:
            added = self._changed(now - each.up_period_s, up=True)
            before = current - added
            limit = before + max(each.up_pods, math.ceil(before * each.up_share))
            return int(min(wanted, max(current, limit)))
        removed = self._changed(now - each.down_period_s, up=False)
        return int(max(wanted, min(current, current + removed - each.down_pods)))

    def _changed(self, since: float, *, up: bool) -> int:
        return abs(sum(count for at, count in self._changes if at > since and (count > 0) == up))
