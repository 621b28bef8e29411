"""Dynamic batching: runs equal-shaped jobs of many streams together, earliest deadline first.

For models without a cache (fine), and for models whose state travels with the job (codec).
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from barkserve.engine.device_residency import DeviceResidency
from barkserve.engine.model_thread import ModelThread
from barkserve.errors import ModelExecutionFailed, ReplicaFailed
from barkserve.request_id import RequestIds, current_ids, running_for
from barkserve.tracing import MIN_QUEUE_S, Span, add_span, current_span, now_ns

_log = logging.getLogger(__name__)

Job = TypeVar("Job")
Result = TypeVar("Result")


@dataclass(frozen=True)
class _Entry(Generic[Job, Result]):
    key: Hashable
    job: Job
    future: "asyncio.Future[Result]"
    deadline: float
    ids: RequestIds = field(default_factory=current_ids)
    span: Span = field(default_factory=current_span)
    submitted_ns: int = field(default_factory=now_ns)


def _ignore(_jobs: int, _seconds: float) -> None: ...


class Batcher(Generic[Job, Result]):
    """Queues jobs while a batch runs. Jobs with the same key run together, up to max_batch.

    Args:
        run: computes a batch in the worker thread; returns one result per job, in order.
        max_batch: most jobs in one batch.
        thread: the worker thread.
        residency: whether the model is on its device; None: always.
        on_batch: called after each batch with its jobs and its seconds.
        job_name: the name of a job's span in a trace.

    Attributes:
        busy_s: seconds of computation since the start.
        bursts: passes of the model since the start.
    """

    def __init__(
        self,
        run: Callable[[list[Job]], list[Result]],
        max_batch: int,
        thread: ModelThread | None = None,
        residency: DeviceResidency | None = None,
        on_batch: Callable[[int, float], None] = _ignore,
        job_name: str = "job",
    ) -> None:
        self._job_name = job_name
        self._on_batch = on_batch
        self._run = run
        self._residency = residency or DeviceResidency()
        self._max_batch = max_batch
        self._queue: deque[_Entry[Job, Result]] = deque()
        self._work = asyncio.Event()
        self._thread = thread or ModelThread()
        self._task: asyncio.Task[None] | None = None
        self.busy_s = 0.0
        self.bursts = 0

    @property
    def waiting(self) -> int:
        """Number of queued jobs."""
        return len(self._queue)

    @property
    def offloaded(self) -> bool:
        """Whether the model is not on its device."""
        return self._residency.offloaded

    async def start(self) -> None:
        """Start to run queued jobs."""
        await self._residency.start(self._thread.run, before_offload=lambda: None)
        self._task = asyncio.create_task(self._batches(), name="batcher")

    async def stop(self) -> None:
        """Finish the current batch and stop."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self._residency.stop()
        await self._thread.shutdown()

    async def wait_fatal(self) -> ReplicaFailed:
        """Wait until the model's device has failed or the model hangs; returns which."""
        return await self._thread.wait_fatal()

    async def submit(self, key: Hashable, job: Job, deadline: float = 0.0) -> Result:
        """Run one job and return its result.

        Cancelling removes a queued job.

        Args:
            key: jobs with equal keys can run together.
            job: the input of `run`.
            deadline: monotonic time, s. The job with the earliest deadline leads the next batch.

        Raises:
            ModelExecutionFailed: the batch of this job failed, or the model could not be reloaded.
        """
        async with self._residency.lease():
            future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
            self._queue.append(_Entry(key, job, future, deadline))
            self._work.set()
            return await future

    async def _batches(self) -> None:
        while True:
            batch = self._next_batch()
            if not batch:
                self._work.clear()
                await self._work.wait()
                continue
            with running_for(entry.ids for entry in batch):
                await self._run_batch(batch)

    def _next_batch(self) -> list[_Entry[Job, Result]]:
        queued = [entry for entry in self._queue if not entry.future.cancelled()]
        queued.sort(key=lambda entry: entry.deadline)
        batch = [entry for entry in queued if entry.key == queued[0].key][: self._max_batch]
        chosen = set(map(id, batch))
        self._queue = deque(entry for entry in queued if id(entry) not in chosen)
        return batch

    async def _run_batch(self, batch: list[_Entry[Job, Result]]) -> None:
        started, started_ns = time.perf_counter(), now_ns()
        try:
            results = await self._thread.run(self._run, [entry.job for entry in batch])
            answered = list(zip(batch, results, strict=True))
        except Exception as error:
            _log.exception("a batch of %d jobs failed", len(batch))
            for entry in batch:
                if not entry.future.done():
                    failure = ModelExecutionFailed()
                    failure.__cause__ = error
                    entry.future.set_exception(failure)
            return
        elapsed = time.perf_counter() - started
        self.busy_s += elapsed
        self._on_batch(len(batch), elapsed)
        self.bursts += 1
        for entry, result in answered:
            if entry.span.is_recording():
                self._trace(entry, started_ns, len(batch))
            if not entry.future.done():
                entry.future.set_result(result)

    def _trace(self, entry: _Entry[Job, Result], started_ns: int, size: int) -> None:
        own = add_span(
            entry.span,
            self._job_name,
            entry.submitted_ns,
            now_ns(),
            {"barkserve.batch_size": size},
        )
        if started_ns - entry.submitted_ns >= MIN_QUEUE_S * 1e9:
            add_span(own, "queue", entry.submitted_ns, started_ns)
