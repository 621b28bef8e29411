"""Settings of a benchmark. Two runs are comparable if their plans are equal."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from barkclient.bench.level import Level, Loop
from barkclient.bench.saturation import SaturationSearch

_MIN_STREAMS = 20  # with fewer, the 95th percentile is the slowest stream
_STREAMS_PER_SLOT = 4
_SECONDS_OF_ARRIVALS = 20
_MIN_RATE = 1 / 64  # a search tries no lower one


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Settings of a benchmark. Stream N of every level speaks text N, modulo their number.

    Attributes:
        loop: open: streams arrive at random (Poisson); closed: a number of streams run at once.
        loads: arrivals per second or streams at once, one level each.
        saturate: search for the highest sustained load, beginning with the first of `loads`.
        max_load: limit of that search.
        max_s: time that the search may take.
        texts: the texts.
        voice: a name or an .npz file; None: the server's default.
        seed: of stream 0; stream N has seed + N. Also that of the arrivals.
        count: streams per level; None: depends on the load.
        duration_s: time per level in which streams start, instead of `count`.
        warmup: streams before each level that are not measured.
        timeout_s: per stream.
    """

    loop: Loop
    loads: Sequence[float]
    saturate: bool
    max_load: float
    max_s: float
    texts: Sequence[str]
    voice: str | None
    seed: int
    count: int | None
    duration_s: float | None
    warmup: int
    timeout_s: float

    def search(self) -> SaturationSearch | None:
        """Return a new search for the highest sustained load; None: only measure `loads`."""
        if not self.saturate:
            return None
        whole = self.loop == "closed"
        return SaturationSearch(
            self.loads[0], 1 if whole else _MIN_RATE, self.max_load, whole=whole
        )

    def level(self, load: float) -> Level:
        """Return the level that measures a load."""
        if self.duration_s is not None:
            return Level(self.loop, load, duration_s=self.duration_s)
        return Level(self.loop, load, count=self.count or _default_count(self.loop, load))

    def warm_up(self, load: float) -> Level:
        """Return the warm-up of a level. It has at most as many streams at once as the level."""
        at_once = min(self.warmup, load) if self.loop == "closed" else self.warmup
        return Level("closed", at_once, count=self.warmup)


def _default_count(loop: Loop, load: float) -> int:
    factor = _STREAMS_PER_SLOT if loop == "closed" else _SECONDS_OF_ARRIVALS
    return max(_MIN_STREAMS, math.ceil(factor * load))
