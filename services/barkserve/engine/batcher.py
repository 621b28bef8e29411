"""Runs equal-shaped jobs of many streams together, in one worker thread, the most urgent first.

For models that keep nothing between calls (fine), or whose state travels with the job (codec).
Knows no tensors.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

from barkserve.engine.device_residency import DeviceResidency
from barkserve.engine.model_thread import ModelThread

Job = TypeVar("Job")
Result = TypeVar("Result")


@dataclass(frozen=True)
class _Entry(Generic[Job, Result]):
    key: Hashable
    job: Job
    future: "asyncio.Future[Result]"
    due: float


class Batcher(Generic[Job, Result]):
    """Collects jobs while the previous batch runs; jobs of one key and up to max_batch of them run
    together.

    Args:
        run: does the work, in a thread of its own: one result a job, in order.
        max_batch: most jobs at once.
        thread: that thread.
        residence: whether the model is on its device; None: always.
    """

    def __init__(
        self,
        run: Callable[[list[Job]], list[Result]],
        max_batch: int,
        thread: ModelThread | None = None,
        residency: DeviceResidency | None = None,
    ) -> None:
        self._run = run
        self._residence = residency or DeviceResidency()
        self._max_batch = max_batch
        self._queue: deque[_Entry[Job, Result]] = deque()
        self._work = asyncio.Event()
        self._thread = thread or ModelThread()
        self._task: asyncio.Task[None] | None = None
        self.busy_s = 0.0  # seconds in which the model computed, since the start

    @property
    def waiting(self) -> int:
        """Jobs that are not running yet."""
        return len(self._queue)

    @property
    def away(self) -> bool:
        """Whether the model is not on its device."""
        return self._residence.away

    async def start(self) -> None:
        """Begin to run jobs whenever there are any."""
        await self._residence.start(self._thread.run, before_offload=lambda: None)
        self._task = asyncio.create_task(self._batches(), name="batcher")

    async def stop(self) -> None:
        """Finish the batch in flight and run no further one."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self._residence.stop()
        self._thread.shutdown()

    async def wait_fatal(self) -> None:
        """Return once the model's device works no more."""
        await self._thread.wait_fatal()

    async def submit(self, key: Hashable, job: Job, due: float = 0.0) -> Result:
        """Run one job.

        Cancelling takes it out of the queue; what `run` raises is raised here.

        Args:
            key: jobs of one key can run together.
            job: what to run.
            due: until when; the job that is due first leads the next batch.
        """
        async with self._residence.lease():
            future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
            self._queue.append(_Entry(key, job, future, due))
            self._work.set()
            return await future

    async def _batches(self) -> None:
        while True:
            batch = self._next_batch()
            if not batch:
                self._work.clear()
                await self._work.wait()
                continue
            await self._run_batch(batch)

    def _next_batch(self) -> list[_Entry[Job, Result]]:
        wanted = [entry for entry in self._queue if not entry.future.cancelled()]
        wanted.sort(key=lambda entry: entry.due)
        batch = [entry for entry in wanted if entry.key == wanted[0].key][: self._max_batch]
        chosen = set(map(id, batch))
        self._queue = deque(entry for entry in wanted if id(entry) not in chosen)
        return batch

    async def _run_batch(self, batch: list[_Entry[Job, Result]]) -> None:
        started = time.perf_counter()
        try:
            results = await self._thread.run(self._run, [entry.job for entry in batch])
            answered = list(zip(batch, results, strict=True))
        except Exception as error:
            for entry in batch:
                if not entry.future.done():
                    entry.future.set_exception(error)
            return
        self.busy_s += time.perf_counter() - started
        for entry, result in answered:
            if not entry.future.done():
                entry.future.set_result(result)
