"""What a second of audio costs a stage, learnt from what its replicas report. Pure.

A model that runs many streams in one step makes each of them cheaper, so costs are kept by how
many streams a replica had: the cheapest that was seen is what a well filled replica can do. Without
that, replicas that are nearly empty would look expensive, and more of them would be asked for.
"""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field

from barkserve.serving.load import Load

ENOUGH_S = 1.0
"""Seconds of audio before a cost is believed."""

MEMORY_S = 120.0
"""Seconds of audio after which older ones count half."""


@dataclass
class _Seen:
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
    """Learns one stage's cost."""

    _by_streams: dict[int, _Seen] = field(default_factory=dict)  # 1, 2, 4, 8 ... streams
    _last: dict[Hashable, Load] = field(default_factory=dict)

    @property
    def seconds(self) -> float:
        """Seconds of compute for one second of audio on a well filled replica; 0 while unknown."""
        known = [each for each in self._by_streams.values() if each.audio_s >= ENOUGH_S]
        return min((each.busy_s / each.audio_s for each in known), default=0.0)

    def observe(self, loads: Mapping[Hashable, Load]) -> None:
        """Take in the newest report of each replica."""
        for key, load in loads.items():
            before = self._last.get(key)
            if before is None or load.busy_seconds < before.busy_seconds:
                continue  # new, or begun anew
            busy_s = load.busy_seconds - before.busy_seconds
            audio_s = load.audio_seconds - before.audio_seconds
            if busy_s > 0 and audio_s >= 0:
                streams = max(1, round((load.streams + before.streams) / 2))
                bucket = 1 << (streams - 1).bit_length()
                self._by_streams.setdefault(bucket, _Seen()).add(busy_s, audio_s)
        self._last = dict(loads)
