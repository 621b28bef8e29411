"""Measures how long a fill takes."""

from collections.abc import Callable

import numpy as np

from barkserve.fine.filler import Fill
from barkserve.fine.job import FillJob

_REPETITIONS = 3
_ENOUGH_S = 1.0


def measure_fill(
    fill: Fill, length: int, codebooks: int, codebook_size: int, clock: Callable[[], float]
) -> float:
    """Fill windows of unknown codes; return the shortest time in seconds.

    Args:
        fill: fills for STREAMING.
        length: frames of a window.
        codebooks: number of codebooks.
        codebook_size: the value of an unknown code.
        clock: time.thread_time on a CPU, where other programs and the number of threads must not
            count; time.perf_counter on a device.
    """
    codes = np.full((length, codebooks), codebook_size, dtype=np.int64)
    job = FillJob(codes, 0, None, np.zeros(codes.shape, dtype=np.float32), exact=False)
    times: list[float] = []
    while len(times) < _REPETITIONS and sum(times) < _ENOUGH_S:
        started = clock()
        fill([job])
        times.append(clock() - started)
    return min(times)
