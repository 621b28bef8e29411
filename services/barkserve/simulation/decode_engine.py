"""An autoregressive model that only takes time. The scheduler is the one of the services."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import suppress
from dataclasses import dataclass, field

import numpy as np

from barkserve.engine.batch import Batch, Burst, Prefill
from barkserve.engine.limits import Limits
from barkserve.engine.request import Request, State
from barkserve.engine.scheduler import Scheduler
from barkserve.simulation.device import Device
from barkserve.simulation.errors import ReplicaLost
from barkserve.simulation.profile import StageTimes
from barkserve.simulation.virtual_time import now


@dataclass(eq=False)
class _Reader:
    """The reader of a request's tokens."""

    wake: asyncio.Event = field(default_factory=asyncio.Event)
    sent: int = 0  # tokens


class DecodeEngine:
    """Runs requests as `barkserve.engine.engine.Engine` does.

    Args:
        times: how long steps and prompts take.
        device: what computes them.
        interruptible: a burst ends when a request comes or goes, as on a CPU.

    Attributes:
        busy_s: seconds of computation since the start.
        bursts: passes of the model since the start.
        offloaded: always False.
    """

    offloaded = False

    def __init__(self, times: StageTimes, device: Device, *, interruptible: bool) -> None:
        self.times = times
        self.busy_s = 0.0
        self.bursts = 0
        self._device = device
        self._interruptible = interruptible
        limits = Limits(times.batch) if interruptible else Limits.captured(times.batch)
        self._scheduler = Scheduler(limits, now)
        self._readers: dict[Request, _Reader] = {}
        self._work = asyncio.Event()
        self._changed = False
        self._lost = False
        self._turning = asyncio.create_task(self._turns())

    @property
    def slots(self) -> int:
        """Slots of the cache."""
        return self.times.batch

    @property
    def free_slots(self) -> int:
        """Slots that a new request could get now."""
        return self._scheduler.free_slots

    @property
    def waiting(self) -> int:
        """Requests that wait for a slot."""
        return self._scheduler.waiting

    async def generate(self, request: Request) -> AsyncGenerator[int, None]:
        """Run a request.

        Yields:
            Numbers of tokens: multiples of request.report_every, any number at the end.

        Raises:
            ReplicaLost: the replica was lost.
        """
        reader = self._readers[request] = _Reader()
        self._scheduler.add(request)
        self._changed = True
        self._work.set()
        try:
            while not self._lost:
                ready = len(request.tokens) - reader.sent
                if ready:
                    reader.sent += ready
                    yield ready
                elif request.state is State.FINISHED:
                    return
                else:
                    await reader.wake.wait()
                    reader.wake.clear()
            raise ReplicaLost
        finally:
            del self._readers[request]
            if request.state is not State.FINISHED:
                self._scheduler.abort(request)
                self._changed = True

    def release(self, request: Request) -> None:
        """Free the slot held by a finished request, if any."""
        self._scheduler.release(request)

    def stop(self) -> None:
        """Stop to compute, as a process that hangs."""
        self._turning.cancel()

    def lose(self) -> None:
        """End all requests with ReplicaLost."""
        self.stop()
        self._lost = True
        for reader in self._readers.values():
            reader.wake.set()

    async def _turns(self) -> None:
        with suppress(asyncio.CancelledError):
            while True:
                self._changed = False
                batch = self._scheduler.next_batch()
                if batch is None:
                    self._work.clear()
                    await self._work.wait()
                else:
                    await self._turn(batch)

    async def _turn(self, batch: Batch) -> None:
        began = now()
        steps = await self._compute(batch)
        elapsed = now() - began
        self.busy_s += elapsed
        self.bursts += 1
        drawn = np.zeros((steps, len(batch.requests)), dtype=np.int64)
        for request in self._scheduler.finish_batch(batch, drawn, elapsed):
            self._readers[request].wake.set()

    async def _compute(self, batch: Batch) -> int:
        """Compute a batch; returns how many tokens each request draws, unless it ends before."""
        rows = len(batch.requests)
        if isinstance(batch, Prefill):
            assert self.times.prompts is not None
            await self._device.compute(self.times.prompts.at(int(batch.lengths.sum())))
            return int(batch.last)
        assert isinstance(batch, Burst)
        if not self._interruptible:
            await self._device.compute(self.times.steps.at(rows) * batch.steps)
            return batch.steps
        made = 0
        while made < batch.steps and not (made and self._changed):
            await self._device.compute(self.times.steps.at(rows))
            made += 1
        return made
