"""A model without a cache that only takes time: fine and codec."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass

from barkserve.simulation.device import Device
from barkserve.simulation.errors import ReplicaLost
from barkserve.simulation.profile import StageTimes
from barkserve.simulation.virtual_time import now


@dataclass(frozen=True)
class _Job:
    size: float
    deadline: float
    done: "asyncio.Future[None]"


class BatchEngine:
    """Runs jobs of many streams together, earliest deadline first, as the batcher does.

    Args:
        times: how long a batch takes, by the sum of its jobs' sizes.
        device: what computes them.

    Attributes:
        busy_s: seconds of computation since the start.
        bursts: passes of the model since the start.
        offloaded: always False.
    """

    offloaded = False

    def __init__(self, times: StageTimes, device: Device) -> None:
        self.times = times
        self.busy_s = 0.0
        self.bursts = 0
        self._device = device
        self._queue: list[_Job] = []
        self._running: list[_Job] = []
        self._work = asyncio.Event()
        self._lost = False
        self._turning = asyncio.create_task(self._turns())

    @property
    def waiting(self) -> int:
        """Jobs that wait."""
        return len(self._queue)

    async def submit(self, size: float, deadline: float) -> None:
        """Run one job.

        Args:
            size: windows (fine) or frames (codec).
            deadline: the job with the earliest one leads the next batch.

        Raises:
            ReplicaLost: the replica was lost.
        """
        if self._lost:
            raise ReplicaLost
        job = _Job(size, deadline, asyncio.get_running_loop().create_future())
        self._queue.append(job)
        self._work.set()
        await job.done

    def stop(self) -> None:
        """Stop to compute, as a process that hangs."""
        self._turning.cancel()

    def lose(self) -> None:
        """End all jobs with ReplicaLost."""
        self.stop()
        self._lost = True
        for job in (*self._queue, *self._running):
            if not job.done.done():
                job.done.set_exception(ReplicaLost())

    async def _turns(self) -> None:
        with suppress(asyncio.CancelledError):
            while True:
                if not self._queue:
                    self._work.clear()
                    await self._work.wait()
                self._queue.sort(key=lambda job: job.deadline)
                self._running = self._queue[: self.times.batch]
                del self._queue[: self.times.batch]
                began = now()
                await self._device.compute(self.times.steps.at(sum(j.size for j in self._running)))
                self.busy_s += now() - began
                self.bursts += 1
                for job in self._running:
                    if not job.done.done():
                        job.done.set_result(None)
                self._running = []
