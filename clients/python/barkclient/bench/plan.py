"""How a benchmark measures: everything that must be the same for two runs to be comparable."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from barkclient.bench.level import Level, Loop

_FEWEST_STREAMS = 20  # below, a 95th percentile is the slowest stream
_STREAMS_A_SLOT = 4
_SECONDS_OF_ARRIVALS = 20


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The method; its texts are spoken in turn, and stream N of every level has seed `seed` + N."""

    loop: Loop
    loads: Sequence[float]  # of the levels, in their order; empty: search for saturation
    max_concurrency: int  # where that search ends, in streams at once
    texts: Sequence[str]
    voice: str | None  # a name or an .npz file; None: the server's default
    seed: int
    count: int | None  # streams a level; None, without `duration_s`: as many as the load needs
    duration_s: float | None  # in which streams begin
    warmup: int  # streams before each level, whose numbers are dropped
    timeout_s: float  # of a stream

    def level(self, load: float) -> Level:
        """The level that measures a load."""
        if self.duration_s is not None:
            return Level(self.loop, load, duration_s=self.duration_s)
        return Level(self.loop, load, count=self.count or _default_count(self.loop, load))

    def warm_up(self, load: float) -> Level:
        """What goes before that: never more at once than the level itself will bring."""
        at_once = min(self.warmup, load) if self.loop == "closed" else self.warmup
        return Level("closed", at_once, count=self.warmup)


def _default_count(loop: Loop, load: float) -> int:
    a_load = _STREAMS_A_SLOT if loop == "closed" else _SECONDS_OF_ARRIVALS
    return max(_FEWEST_STREAMS, math.ceil(a_load * load))
