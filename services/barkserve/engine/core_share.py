"""Shares the cores of one machine among the stages that compute on it.

Each stage notes in a small shared file until when it is busy. Before each step a model takes the
cores that no other busy stage needs. Without this, each stage had a fixed part of the cores, and
the rest was idle whenever only one stage had work.

The transformers compute the same bits with any number of threads. The codec does not (its narrow
convolutions split their sums), so its number is fixed.
"""

import math
import mmap
import os
import resource
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

LINGER_S = 0.01
"""How long a stage counts as busy after its last step: a stream's next step usually follows."""

STEP_S_PER_THREAD = 0.002
"""CPU time of a step that each thread should have at least. Waking a thread for less is slower."""

MAX_PREEMPTIONS_PER_S = 100.0
"""More of them mean that other programs use the cores. All threads of a step then wait for the one
that was preempted, and a single thread is faster."""

CROWDED_S = 2.0
"""How long a stage keeps to one thread then."""

_COUNTED_S = 0.05
_COSTS = 4
_SLOT_BYTES = 8  # a float64: the time.monotonic() until which a stage is busy
_NEVER = -math.inf


class CoreShare:
    """The cores that one stage may use now. All methods but the constructor run in its thread.

    A process that was killed in a step stays busy in the file until it is started again. Until
    then, the other stages have fewer threads than they could have.

    Args:
        place: FILE:SLOT, the file of `core_share_file` and the stage's number in it.
        cores: number of cores that all stages share.
        set_threads: sets the number of threads of the calling thread's next operations; None: the
            number is fixed, and the stage only counts as busy.
    """

    def __init__(self, place: str, cores: int, set_threads: Callable[[int], None] | None) -> None:
        path, _, slot = place.rpartition(":")
        with open(path, "r+b") as file:
            self._busy_until = memoryview(mmap.mmap(file.fileno(), 0)).cast("d")
        self._slot = int(slot)
        self._cores = cores
        self._set_threads = set_threads
        self._threads = 0  # unknown to torch until it is set
        self._cost = StepCost()
        self._steps = 0  # since `begin`
        self._crowd = CrowdDetector()
        self._busy_until[self._slot] = _NEVER

    def begin(self) -> None:
        """Begin to compute: count as busy, and take threads for the first step."""
        self._busy_until[self._slot] = math.inf
        self._steps = 0
        self._adapt()
        self._cost.begin()
        self._crowd.begin()

    def step_ended(self) -> None:
        """Note the end of a step, and take threads for the next one."""
        self._steps += 1
        self._cost.step_ended(self._threads)
        self._crowd.step_ended(self._threads)
        self._adapt()

    def end(self) -> None:
        """Stop counting as busy unless `begin` follows soon."""
        if not self._steps:  # the work was one step
            self.step_ended()
        self._busy_until[self._slot] = time.monotonic() + LINGER_S

    def _adapt(self) -> None:
        if self._set_threads is None:
            return
        now = time.monotonic()
        busy = sum(until > now for until in self._busy_until)  # this stage included
        useful = 1 if self._crowd.is_crowded(now) else int(self._cost.cpu_s / STEP_S_PER_THREAD)
        threads = max(1, min(self._cores // busy, useful))
        if threads != self._threads:
            self._threads = threads
            self._set_threads(threads)


class StepCost:
    """Measures the CPU time of a step on one thread.

    It is the least of the last steps, because a prompt costs much more than the steps after it. In
    a team, threads that wait for each other use CPU time too. A step of a team can therefore only
    lower the cost.
    """

    def __init__(self) -> None:
        self._costs: deque[float] = deque([0.0], _COSTS)
        self._from = 0.0

    @property
    def cpu_s(self) -> float:
        """The cost in seconds; 0 before the first step."""
        return min(self._costs)

    def begin(self) -> None:
        """Begin to measure a step."""
        self._from = time.thread_time()

    def step_ended(self, threads: int) -> None:
        """End a step, which had a number of threads, and begin the next one."""
        before, self._from = self._from, time.thread_time()
        cost = (self._from - before) * threads
        if threads == 1 or cost < self.cpu_s:
            self._costs.append(cost)


class CrowdDetector:
    """Detects other programs on the cores by how often they preempt a team of threads."""

    def __init__(self) -> None:
        self._from_s = 0.0
        self._preempted_before = 0
        self._team_s = 0.0
        self._preemptions = 0
        self._crowded_until = _NEVER

    def is_crowded(self, now: float) -> bool:
        """Whether a single thread is faster. now: time.monotonic()."""
        return now < self._crowded_until

    def begin(self) -> None:
        """Begin to watch a step."""
        self._from_s, self._preempted_before = time.monotonic(), _preemptions()

    def step_ended(self, threads: int) -> None:
        """End a step, which had a number of threads, and begin the next one."""
        since_s, since = self._from_s, self._preempted_before
        self.begin()
        if threads < 2:
            return
        self._team_s += self._from_s - since_s
        self._preemptions += self._preempted_before - since
        if self._team_s < _COUNTED_S:
            return
        if self._preemptions > MAX_PREEMPTIONS_PER_S * self._team_s:
            self._crowded_until = self._from_s + CROWDED_S
        self._team_s, self._preemptions = 0.0, 0


def _preemptions() -> int:
    """How often a thread of this process had to make way for another program."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw


def available_cores() -> int:
    """Number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):  # Linux
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@contextmanager
def core_share_file(stages: int) -> Iterator[str]:
    """Make the file in which stages share cores, for the duration of the block.

    Args:
        stages: number of stages on this machine.

    Yields:
        Its path.
    """
    with tempfile.NamedTemporaryFile(prefix="barkserve-cores-") as file:
        slots = memoryview(bytearray(stages * _SLOT_BYTES)).cast("d")
        for slot in range(stages):
            slots[slot] = _NEVER
        file.write(slots.tobytes())
        file.flush()
        yield file.name
