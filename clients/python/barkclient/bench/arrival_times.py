"""Start times of the streams of an open loop: a Poisson process drawn from a seed."""

import random
from collections.abc import Iterator
from itertools import count, islice, takewhile

from barkclient.bench.level import Level


def arrival_times_s(level: Level, seed: int) -> Iterator[float]:
    """Yield the start times in seconds since the level began, in rising order.

    With the same seed, twice the rate gives the same streams at half the times.
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
