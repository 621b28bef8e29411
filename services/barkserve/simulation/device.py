"""What computes: a device that its users share equally, such as the cores of a machine."""

import asyncio
import heapq
from itertools import count

from barkserve.simulation.virtual_time import now

_ENOUGH_S = 1e-9


class SharedDevice:
    """Runs any number of tasks at once, at full speed up to a number of them.

    Beyond that, all tasks get slower by the same factor, as processes on cores do.

    Args:
        units: tasks that run at full speed, such as cores.

    Attributes:
        busy_s: seconds of work done, summed over the units.
    """

    def __init__(self, units: float) -> None:
        self._units = units
        self._done_s = 0.0  # work that each task would have done if it had run from the start
        self._updated_at = now()
        self._tasks: list[tuple[float, int, asyncio.Future[None]]] = []  # by the end of their work
        self._numbers = count()
        self._timer: asyncio.TimerHandle | None = None
        self.busy_s = 0.0

    async def compute(self, work_s: float) -> None:
        """Compute for as long as `work_s` seconds of an unshared unit take."""
        self._update()
        done = asyncio.get_running_loop().create_future()
        heapq.heappush(self._tasks, (self._done_s + work_s, next(self._numbers), done))
        self._schedule()
        await done

    @property
    def _speed(self) -> float:
        return min(1.0, self._units / len(self._tasks)) if self._tasks else 1.0

    def _update(self) -> None:
        elapsed_s = now() - self._updated_at
        self._done_s += elapsed_s * self._speed
        self.busy_s += elapsed_s * self._speed * len(self._tasks)
        self._updated_at += elapsed_s

    def _schedule(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if not self._tasks:
            self._timer = None
            return
        left_s = max(0.0, self._tasks[0][0] - self._done_s) / self._speed
        self._timer = asyncio.get_running_loop().call_later(left_s, self._end_first)

    def _end_first(self) -> None:
        self._update()
        while self._tasks and self._tasks[0][0] <= self._done_s + _ENOUGH_S:
            _, _, done = heapq.heappop(self._tasks)
            if not done.done():
                done.set_result(None)
        self._schedule()


class OwnDevice:
    """A device with one user, such as one GPU for each replica.

    Attributes:
        busy_s: seconds of work done.
    """

    def __init__(self) -> None:
        self.busy_s = 0.0

    async def compute(self, work_s: float) -> None:
        """Compute for some seconds."""
        await asyncio.sleep(work_s)
        self.busy_s += work_s


Device = SharedDevice | OwnDevice
