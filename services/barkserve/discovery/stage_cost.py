"""Measures the compute time per second of audio of a stage from its load reports. Pure.

A model that runs many streams in one step spends less time on each. Costs are therefore kept by the
number of streams. A device that becomes slower or faster changes all of them at once: the newest
reports, compared with the cost at their number of streams, give a pace that applies to every cost.
The autoscaler and the orchestrator's admission read the same measurement:

- `seconds` is the lowest cost, that of a well-filled replica. Otherwise nearly empty replicas would
  look expensive, and the autoscaler would ask for more of them.
- `real_time_streams` is the number of streams that one replica serves in real time. With n streams
  at a cost of c(n) seconds, the model is busy for n * c(n) seconds per second if each stream gets
  one second of audio per second. The largest n with n * c(n) <= share is the answer.
"""

import math
import time
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field

from barkserve.serving.load import Load

ENOUGH_S = 1.0
"""Seconds of audio after which a cost counts."""

MEMORY_S = 20.0
"""Seconds of audio after which the weight of older audio is halved."""

_SINGLE = 8  # numbers of streams up to this one are measured each by itself
_APART = 0.75  # streams between two loads that show what another stream adds
_PER_DOUBLING = 4  # above it, a doubling of the streams has this many measurements

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
    def known(self) -> bool:
        """Whether enough audio was measured."""
        return self.audio_s >= ENOUGH_S

    @property
    def cost(self) -> float:
        return self.busy_s / self.audio_s


@dataclass
class _Pace:
    """How long the newest audio took, as a share of the time that the costs predict for it."""

    busy_s: float = 0.0
    predicted_s: float = 0.0
    audio_s: float = 0.0

    def add(self, busy_s: float, predicted_s: float, audio_s: float) -> None:
        self.busy_s += busy_s
        self.predicted_s += predicted_s
        self.audio_s += audio_s
        if self.audio_s > MEMORY_S:
            self.busy_s /= 2
            self.predicted_s /= 2
            self.audio_s /= 2

    @property
    def factor(self) -> float:
        return self.busy_s / self.predicted_s if self.audio_s >= ENOUGH_S else 1.0


@dataclass(frozen=True)
class _Cost:
    """The cost of a stream at a number of streams, at the present pace."""

    streams: float
    most_streams: float
    cost: float
    updated_at: float

    @property
    def busy(self) -> float:
        """Seconds per second for which the model is busy if every stream plays in real time."""
        return self.streams * self.cost


@dataclass
class StageCost:
    """Measures the cost of one stage.

    Attributes:
        clock: returns the time in seconds.
    """

    clock: Callable[[], float] = time.monotonic
    _by_streams: dict[int, _Total] = field(default_factory=dict)  # see _step_of
    _pace: _Pace = field(default_factory=_Pace)
    _last: dict[Hashable, Load] = field(default_factory=dict)

    @property
    def seconds(self) -> float:
        """Compute seconds per second of audio on a well-filled replica; 0 while unknown."""
        return min((each.cost for each in self._known()), default=0.0)

    def real_time_streams(self, share: float, assumed: float) -> float:
        """Streams that one replica serves in real time, at least 1.

        Between the highest load that was not too much and the lowest one that was, it interpolates.
        As long as no load was too much, it extrapolates from the last two loads. It allows one
        stream more than were measured if the share has room for it, because larger batches may cost
        less per stream. It tries a load that was too much again after five minutes.

        Args:
            share: share of the model's time that the streams may use.
            assumed: assumed until a load was measured.
        """
        known = sorted(self._known(), key=lambda each: each.streams)
        if not known:
            return max(1.0, assumed)
        sustained: list[_Cost] = []
        for each in known:
            if each.busy <= share:
                sustained.append(each)
            elif self.clock() - each.updated_at <= FRESH_S:
                return max(1.0, _between(sustained, each, share))
        return max(1.0, _beyond(sustained, share))

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
                self._add(busy_s, audio_s, streams)
        self._last = dict(loads)

    def _add(self, busy_s: float, audio_s: float, streams: float) -> None:
        total = self._by_streams.setdefault(_step_of(streams), _Total())
        if total.known:
            self._pace.add(busy_s, audio_s * total.cost, audio_s)
        total.add(busy_s / self._pace.factor, audio_s, streams, self.clock())

    def _known(self) -> list[_Cost]:
        return [
            _Cost(
                streams=each.stream_audio_s / each.audio_s,
                most_streams=each.most_streams,
                cost=each.cost * self._pace.factor,
                updated_at=each.updated_at,
            )
            for each in self._by_streams.values()
            if each.known
        ]


def _step_of(streams: float) -> int:
    """Number the measurement that a number of streams belongs to."""
    whole = round(streams)
    if whole <= _SINGLE:
        return whole
    return _SINGLE + 1 + int(_PER_DOUBLING * math.log2(whole / _SINGLE))


def _between(sustained: list[_Cost], above: _Cost, share: float) -> float:
    """Streams at which the model is busy for its share, between two measured loads."""
    if not sustained:
        return share / above.cost
    below = sustained[-1]
    part = (share - below.busy) / (above.busy - below.busy)
    return below.streams + part * (above.streams - below.streams)


def _beyond(sustained: list[_Cost], share: float) -> float:
    """Streams at which the model would be busy for its share, beyond all measured loads."""
    if not sustained:
        return 0.0
    highest = sustained[-1]
    streams = max(share / highest.cost, highest.most_streams + 1)
    fewer = [each for each in sustained if each.streams <= highest.streams - _APART]
    if not fewer:
        return streams
    added = (highest.busy - fewer[-1].busy) / (highest.streams - fewer[-1].streams)
    if added <= 0:
        return streams
    return min(streams, highest.streams + (share - highest.busy) / added)
