"""Settings of a benchmark. Two runs are comparable if their plans are equal."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from barkclient.bench.level import Level, Loop

_MIN_STREAMS = 20  # with fewer, the 95th percentile is the slowest stream
_STREAMS_PER_SLOT = 4
_SECONDS_OF_ARRIVALS = 20


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Settings of a benchmark. Stream N of every level speaks text N, modulo their number."""

    loop: Loop
    loads: Sequence[float]  # one per level; empty: search for saturation
    max_concurrency: int  # limit of that search, in streams at once
    texts: Sequence[str]
    voice: str | None  # a name or an .npz file; None: the server's default
    seed: int  # of stream 0; stream N has seed + N
    count: int | None  # streams per level; None: depends on the load
    duration_s: float | None  # time per level in which streams start
    warmup: int  # streams before each level that are not measured
    timeout_s: float  # per stream

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
