"""When the streams of an open loop are due: a Poisson process, drawn from a seed."""

import random
from collections.abc import Iterator
from itertools import count, islice, takewhile

from barkclient.bench.level import Level


def arrival_times_s(level: Level, seed: int) -> Iterator[float]:
    """Seconds since the level began, rising; as many as the level asks for.

    One seed is one draw: twice the rate has the same streams, each at half the time.
    """
    times = _poisson(level.load, seed)
    if level.duration_s is not None:
        times = takewhile(level.duration_s.__gt__, times)
    return islice(times, level.count)


def _poisson(rate: float, seed: int) -> Iterator[float]:
    draw = random.Random(seed)
    time = 0.0
    for _ in count():
        time += draw.expovariate(1.0)
        yield time / rate
