"""Measures the compute time per second of audio of a stage from its load reports. Pure.

A model that runs many streams in one step spends less time on each. Costs are therefore kept by the
number of streams. The autoscaler and the orchestrator's admission read the same measurement:

- `seconds` is the lowest cost, that of a well-filled replica. Otherwise nearly empty replicas would
  look expensive, and the autoscaler would ask for more of them.
- `real_time_streams` is the number of streams that one replica serves in real time. With n streams
  at a cost of c(n) seconds, the model is busy for n * c(n) seconds per second if each stream gets
  one second of audio per second. The largest n with n * c(n) <= share is the answer.
"""

import time
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field

from barkserve.serving.load import Load

ENOUGH_S = 1.0
"""Seconds of audio after which a cost counts."""

MEMORY_S = 120.0
"""Seconds of audio after which the weight of older audio is halved."""

FRESH_S = 300.0
"""Seconds after which `real_time_streams` tries a load again that was too much."""


@dataclass
class _Total:
    busy_s: float = 0.0
    audio_s: float = 0.0
    stream_audio_s: float = 0.0  # audio times the streams that ran meanwhile
    most_streams: float = 0.0
    updated_at: float = 0.0

    def add(self, busy_s: float, audio_s: float, streams: float, now: float) -> None:
        self.busy_s += busy_s
        self.audio_s += audio_s
        self.stream_audio_s += audio_s * streams
        self.most_streams = max(self.most_streams, streams)
        self.updated_at = now
        if self.audio_s > MEMORY_S:
            self.busy_s /= 2
            self.audio_s /= 2
            self.stream_audio_s /= 2

    @property
    def cost(self) -> float:
        return self.busy_s / self.audio_s

    @property
    def streams(self) -> float:
        return self.stream_audio_s / self.audio_s


@dataclass
class StageCost:
    """Measures the cost of one stage.

    Attributes:
        clock: returns the time in seconds.
    """

    clock: Callable[[], float] = time.monotonic
    _by_streams: dict[int, _Total] = field(default_factory=dict)  # 1, 2, 4, 8 ... streams
    _last: dict[Hashable, Load] = field(default_factory=dict)

    @property
    def seconds(self) -> float:
        """Compute seconds per second of audio on a well-filled replica; 0 while unknown."""
        return min((each.cost for each in self._known()), default=0.0)

    def real_time_streams(self, share: float, assumed: float) -> float:
        """Streams that one replica serves in real time, at least 1.

        Between the highest load that was not too much and the lowest one that was, it interpolates.
        As long as no load was too much, it allows one stream more than were measured, because
        larger batches may cost less per stream. It tries a load that was too much again after
        five minutes.

        Args:
            share: share of the model's time that the streams may use.
            assumed: assumed until a load was measured.
        """
        known = sorted(self._known(), key=lambda each: each.streams)
        if not known:
            return max(1.0, assumed)
        below, above = None, None
        for total in known:
            if total.streams * total.cost <= share:
                below = total
            elif self.clock() - total.updated_at <= FRESH_S:
                above = total
                break
        return max(1.0, _between(below, above, share))

    def observe(self, loads: Mapping[Hashable, Load]) -> None:
        """Add the newest load of each replica, by a key of the replica."""
        for key, load in loads.items():
            before = self._last.get(key)
            if before is None or load.busy_seconds < before.busy_seconds:
                continue  # a new replica, or a new process
            busy_s = load.busy_seconds - before.busy_seconds
            audio_s = load.audio_seconds - before.audio_seconds
            if busy_s > 0 and audio_s >= 0:
                streams = max(1.0, (load.streams + before.streams) / 2)
                bucket = 1 << (max(1, round(streams)) - 1).bit_length()
                total = self._by_streams.setdefault(bucket, _Total())
                total.add(busy_s, audio_s, streams, self.clock())
        self._last = dict(loads)

    def _known(self) -> list[_Total]:
        return [each for each in self._by_streams.values() if each.audio_s >= ENOUGH_S]


def _between(below: _Total | None, above: _Total | None, share: float) -> float:
    """Streams at which the model is busy for its share, between two measured loads."""
    if above is None:
        return max(share / below.cost, below.most_streams + 1) if below else 0.0
    if below is None:
        return share / above.cost
    busy_below, busy_above = below.streams * below.cost, above.streams * above.cost
    part = (share - busy_below) / (busy_above - busy_below)
    return below.streams + part * (above.streams - below.streams)
