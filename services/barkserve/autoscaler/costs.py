"""Measures the compute time per second of audio of a stage from its load reports. Pure.

A model that runs many streams in one step spends less time on each. Costs are therefore kept by the
number of streams, and the lowest one is that of a well-filled replica. Otherwise nearly empty
replicas would look expensive, and the autoscaler would ask for more of them.
"""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field

from barkserve.serving.load import Load

ENOUGH_S = 1.0
"""Seconds of audio after which a cost counts."""

MEMORY_S = 120.0
"""Seconds of audio after which the weight of older audio is halved."""


@dataclass
class _Total:
    busy_s: float = 0.0
    audio_s: float = 0.0

    def add(self, busy_s: float, audio_s: float) -> None:
        self.busy_s += busy_s
        self.audio_s += audio_s
        if self.audio_s > MEMORY_S:
            self.busy_s /= 2
            self.audio_s /= 2


@dataclass
class StageCost:
    """Measures the cost of one stage."""

    _by_streams: dict[int, _Total] = field(default_factory=dict)  # 1, 2, 4, 8 ... streams
    _last: dict[Hashable, Load] = field(default_factory=dict)

    @property
    def seconds(self) -> float:
        """Compute seconds per second of audio on a well-filled replica; 0 while unknown."""
        known = [each for each in self._by_streams.values() if each.audio_s >= ENOUGH_S]
        return min((each.busy_s / each.audio_s for each in known), default=0.0)

    def observe(self, loads: Mapping[Hashable, Load]) -> None:
        """Add the newest load of each replica, by a key of the replica."""
        for key, load in loads.items():
            before = self._last.get(key)
            if before is None or load.busy_seconds < before.busy_seconds:
                continue  # a new replica, or a new process
            busy_s = load.busy_seconds - before.busy_seconds
            audio_s = load.audio_seconds - before.audio_seconds
            if busy_s > 0 and audio_s >= 0:
                streams = max(1, round((load.streams + before.streams) / 2))
                bucket = 1 << (streams - 1).bit_length()
                self._by_streams.setdefault(bucket, _Total()).add(busy_s, audio_s)
        self._last = dict(loads)
