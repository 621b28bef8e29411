"""The engine's loop: schedule a batch, run it, record its tokens, wake the consumers.

Only the event loop touches the scheduler, and only the worker thread touches the runner, so there
are no locks. While the worker runs a batch, only the worker changes its requests (except their
state). Consumers read published tokens only.

The worker keeps a batch of decodes for several steps while no request has tokens to report: waking
a thread costs more than a step of a small model. A request that is added or removed ends this after
the current step. A request holds a lease of the model from before it is added until it has ended.
"""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from typing import Protocol

from barkserve.engine.device_residency import DeviceResidency
from barkserve.engine.model_thread import ModelThread
from barkserve.engine.request import Request, State
from barkserve.engine.scheduler import Batch, Scheduler
from barkserve.errors import ModelExecutionFailed, ReplicaFailed
from barkserve.request_id import running_for

_log = logging.getLogger(__name__)

_PAUSE_S = 0.1  # after an internal error: health checks and stop() must get their turn


class Runner(Protocol):
    """What the engine needs of a model. ModelRunner implements it; tests use a fake."""

    slots: int

    def run(self, batch: Batch) -> list[int]:
        """Append every request's pending positions to its slot and draw one token each."""


@dataclass(eq=False)
class _Consumer:
    """The reader of a request's tokens."""

    wake: asyncio.Event = field(default_factory=asyncio.Event)
    added_at: float = field(default_factory=time.perf_counter)
    sent: int = 0  # tokens that were yielded
    error: Exception | None = None


class Engine:
    """Runs many requests at once on one model.

    Args:
        runner: the model.
        prefill_positions: most positions in a step of several prompts.
        thread: the worker thread.
        residency: whether the model is on its device; None: always.

    Attributes:
        busy_s: seconds of computation since the start.
    """

    def __init__(
        self,
        runner: Runner,
        prefill_positions: int = 1,
        thread: ModelThread | None = None,
        residency: DeviceResidency | None = None,
    ) -> None:
        self._runner = runner
        self._residency = residency or DeviceResidency()
        self._scheduler = Scheduler(runner.slots, prefill_positions)
        self._changed = False  # requests were added or removed since the batch was started
        self._consumers: dict[Request, _Consumer] = {}
        self._work = asyncio.Event()
        self._thread = thread or ModelThread()
        self._loop_task: asyncio.Task[None] | None = None
        self.busy_s = 0.0

    @property
    def slots(self) -> int:
        """Number of slots in the cache."""
        return self._runner.slots

    @property
    def free_slots(self) -> int:
        """Number of slots that a new request could get now."""
        return self._scheduler.free_slots

    @property
    def running(self) -> int:
        """Number of unfinished requests with a slot."""
        return self._scheduler.running

    @property
    def waiting(self) -> int:
        """Number of requests that wait for a slot."""
        return self._scheduler.waiting

    @property
    def offloaded(self) -> bool:
        """Whether the model is not on its device."""
        return self._residency.offloaded

    async def start(self) -> None:
        """Start to run requests."""
        await self._residency.start(self._thread.run, self._scheduler.release_held)
        self._loop_task = asyncio.create_task(self._steps(), name="engine steps")

    async def stop(self) -> None:
        """Finish the current step and stop."""
        if self._loop_task is not None:
            self._loop_task.cancel()
            await asyncio.gather(self._loop_task, return_exceptions=True)
        await self._residency.stop()
        await self._thread.shutdown()

    async def wait_fatal(self) -> ReplicaFailed:
        """Wait until the model's device has failed or the model hangs; returns which."""
        return await self._thread.wait_fatal()

    async def generate(self, request: Request) -> AsyncGenerator[list[int], None]:
        """Run a request.

        Closing the generator early aborts the request within one step.

        Yields:
            The tokens drawn since the last yield: at least request.report_every, fewer only at the
            end, never none.

        Raises:
            ModelExecutionFailed: a step of this request failed, or the model could not be reloaded.
        """
        consumer = _Consumer()
        async with self._residency.lease():
            self._add(request, consumer)
            try:
                while True:
                    ended = request.state not in (State.WAITING, State.RUNNING)
                    tokens = request.tokens[consumer.sent : request.published]
                    if len(tokens) >= (1 if ended else request.report_every):
                        consumer.sent += len(tokens)
                        yield tokens
                    elif consumer.error is not None:
                        raise ModelExecutionFailed() from consumer.error
                    elif ended:
                        return
                    else:
                        await consumer.wake.wait()
                        consumer.wake.clear()
            finally:
                self._remove(request)

    def release(self, request: Request) -> None:
        """Free the slot held by a finished request, if any."""
        self._scheduler.release(request)

    def _add(self, request: Request, consumer: _Consumer) -> None:
        self._consumers[request] = consumer
        self._scheduler.add(request)
        self._changed = True
        self._work.set()

    def _remove(self, request: Request) -> None:
        del self._consumers[request]
        if request.state is not State.FINISHED:
            self._scheduler.abort(request)
            self._changed = True

    async def _steps(self) -> None:
        while True:
            try:
                batch = self._scheduler.next_batch()
                if batch is None:
                    self._work.clear()
                    await self._work.wait()
                else:
                    await self._step(batch)
            except Exception as error:  # a bug; without this loop all consumers would wait forever
                with running_for(request.request_id for request in self._consumers):
                    _log.exception("internal error in the engine; all its streams end")
                self._fail_all(error)
                await asyncio.sleep(_PAUSE_S)

    async def _step(self, batch: Batch) -> None:
        with running_for(request.request_id for request in batch.requests):
            await self._run_step(batch)

    async def _run_step(self, batch: Batch) -> None:
        started = time.perf_counter()
        self._record_queue_time(batch, started)
        steps = self._scheduler.steps_to_report(batch)
        self._changed = False
        try:
            await self._thread.run(self._run, batch, steps)
        except Exception as error:
            _log.exception("a step of %d requests failed", len(batch.requests))
            self._fail(batch, error)
            return
        elapsed = time.perf_counter() - started
        self.busy_s += elapsed
        for request in self._scheduler.finish_step(batch, elapsed):
            request.compute_s += elapsed
            consumer = self._consumers[request]
            reportable = len(request.tokens) >= consumer.sent + request.report_every
            if request.state is not State.RUNNING or reportable:
                consumer.wake.set()

    def _run(self, batch: Batch, steps: int) -> None:
        """Run up to `steps` steps in the worker thread."""
        for _ in range(steps):
            if not batch.record(self._runner.run(batch)) or self._changed:
                return
            self._thread.note_step()

    def _record_queue_time(self, batch: Batch, now: float) -> None:
        for request in batch.requests:
            if request.compute_s == 0.0 and request in self._consumers:
                request.queue_s = now - self._consumers[request].added_at

    def _fail_all(self, error: Exception) -> None:
        for request, consumer in self._consumers.items():
            if request.state is not State.FINISHED:
                self._scheduler.abort(request)
                consumer.error = error
            consumer.wake.set()

    def _fail(self, batch: Batch, error: Exception) -> None:
        for request in self._scheduler.fail_step(batch):
            self._consumers[request].error = error
            self._consumers[request].wake.set()
