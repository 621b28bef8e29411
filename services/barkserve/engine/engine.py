"""The engine's loop: plan a batch, launch it, read the tokens of the one before, wake consumers.

Only the event loop touches the scheduler and the requests' tokens, and only the worker thread
touches the runner, so there are no locks.

A GPU has two batches in flight: the next one is planned and launched before the last one's tokens
are read and handed on. A request that is added or removed therefore takes effect at the next
launch. On a CPU a batch has ended when it is launched. A burst ends there after the current step
when a request is added or removed. A request holds a lease of the model from before it is added
until it has ended.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from typing import Any, Protocol

from barkserve.engine.batch import NO_TOKEN, Batch, Integers
from barkserve.engine.device_residency import DeviceResidency
from barkserve.engine.limits import Limits
from barkserve.engine.model_thread import ModelThread
from barkserve.engine.request import Request, State
from barkserve.engine.request_trace import RequestTrace
from barkserve.engine.scheduler import Scheduler
from barkserve.errors import ModelExecutionFailed, ReplicaFailed
from barkserve.request_id import RequestIds, joined_ids, running_for

_log = logging.getLogger(__name__)

_PAUSE_S = 0.1  # after an internal error: health checks and stop() must get their turn


def _ignore(_batch: Batch, _steps: int, _seconds: float) -> None: ...


class Runner(Protocol):
    """What the engine needs of a model. ModelRunner implements it; tests use a fake."""

    @property
    def limits(self) -> Limits:
        """The limits of the model."""

    def launch(self, batch: Batch, proceed: Callable[[], bool]) -> Any:
        """Start to compute a batch after those launched before.

        Args:
            batch: the batch.
            proceed: called between two steps that the host waits for; False ends the burst.

        Returns:
            What `collect` takes.
        """

    def collect(self, flight: Any) -> Integers:
        """Wait for a launched batch.

        Returns:
            (steps, B) the tokens that each request drew, and NO_TOKEN after its last one. No step
            for a prefill that is not the last.
        """


@dataclass(frozen=True)
class _Flight:
    """A batch in flight."""

    batch: Batch
    launched_at: float
    handle: Any


@dataclass(frozen=True)
class _Outcome:
    """A batch that has ended."""

    batch: Batch
    launched_at: float
    drawn: Integers


class _Consumer:
    """The reader of a request's tokens."""

    def __init__(self, trace: RequestTrace | None) -> None:
        self.trace = trace
        self.error: Exception | None = None
        self._news: asyncio.Future[None] | None = None  # cheaper than an Event

    def wake(self) -> None:
        """End the current `wait`, if any."""
        if self._news is not None and not self._news.done():
            self._news.set_result(None)

    async def wait(self) -> None:
        """Wait for `wake`. Nothing may be awaited between the look at the request and this."""
        self._news = asyncio.get_running_loop().create_future()
        await self._news


class Engine:
    """Runs many requests at once on one model.

    Args:
        runner: the model.
        thread: the worker thread.
        residency: whether the model is on its device; None: always.
        on_batch: called after each batch with the batch, its decode steps and its seconds.

    Attributes:
        busy_s: seconds of computation since the start.
        bursts: passes of the model since the start.
    """

    def __init__(
        self,
        runner: Runner,
        thread: ModelThread | None = None,
        residency: DeviceResidency | None = None,
        on_batch: Callable[[Batch, int, float], None] = _ignore,
    ) -> None:
        self._runner = runner
        self._on_batch = on_batch
        self._residency = residency or DeviceResidency()
        self._scheduler = Scheduler(runner.limits)
        self._changed = False  # requests were added or removed since the last launch
        self._flights: deque[_Flight] = deque()  # the worker thread's, while it works
        self._current: Batch | None = None  # what the worker thread launches or collects
        self._ended_at = 0.0  # the last batch
        self._consumers: dict[Request, _Consumer] = {}
        self._traces = 0  # requests that are traced
        self._named: tuple[Request, ...] = ()  # whose ids are known
        self._ids = RequestIds()
        self._work = asyncio.Event()
        self._thread = thread or ModelThread()
        self._loop_task: asyncio.Task[None] | None = None
        self.busy_s = 0.0
        self.bursts = 0

    @property
    def slots(self) -> int:
        """Number of slots in the cache."""
        return self._runner.limits.slots

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
        self._loop_task = asyncio.create_task(self._turns(), name="engine turns")

    async def stop(self) -> None:
        """Finish the current batch and stop."""
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

        Closing the generator early aborts the request at the next batch.

        Yields:
            Tokens in order: a multiple of request.report_every, any number at the end, never none.

        Raises:
            ModelExecutionFailed: a batch of this request failed, or reloading the model did.
        """
        consumer, sent = _Consumer(RequestTrace.begin(request)), 0
        self._traces += consumer.trace is not None
        async with self._residency.lease():
            self._add(request, consumer)
            try:
                while True:
                    tokens = request.tokens[sent:]
                    if tokens:
                        sent += len(tokens)
                        yield tokens
                    elif consumer.error is not None:
                        raise ModelExecutionFailed() from consumer.error
                    elif request.state in (State.WAITING, State.RUNNING):
                        await consumer.wait()
                    else:
                        return
            finally:
                self._remove(request)
                if consumer.trace is not None:
                    self._traces -= 1
                    consumer.trace.ended(request)

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

    async def _turns(self) -> None:
        while True:
            try:
                batch = self._scheduler.next_batch()
                if batch is None and not self._flights:
                    self._work.clear()
                    await self._work.wait()
                else:
                    await self._turn(batch)
            except Exception as error:  # a bug; without this loop all consumers would wait forever
                with running_for(request.ids for request in self._consumers):
                    _log.exception("internal error in the engine; all its streams end")
                self._fail_all(error)
                await asyncio.sleep(_PAUSE_S)

    async def _turn(self, batch: Batch | None) -> None:
        """Launch a batch, if any, and hand on the tokens of the oldest one that must end."""
        self._changed = False
        named = batch or self._flights[0].batch
        with running_for((self._ids_of(named.requests),)):
            try:
                outcome = await self._thread.run(self._work_on, batch)
            except Exception as error:
                failed = self._current or named
                _log.exception("a batch of %d requests failed", len(failed.requests))
                self._fail(failed, error)
                return
        if outcome is not None:
            self._hand_on(outcome)

    def _work_on(self, batch: Batch | None) -> _Outcome | None:
        """Launch and collect in the worker thread."""
        self._current = batch
        if batch is not None:
            launched_at = time.perf_counter()
            handle = self._runner.launch(batch, self._proceed)
            self._flights.append(_Flight(batch, launched_at, handle))
            if len(self._flights) < self._runner.limits.in_flight:
                return None
        flight = self._flights.popleft()
        self._current = flight.batch
        drawn = self._runner.collect(flight.handle)
        return _Outcome(flight.batch, flight.launched_at, drawn)

    def _proceed(self) -> bool:
        """Whether a burst goes on, after one of its steps. Called in the worker thread."""
        self._thread.note_step()
        return not self._changed

    def _hand_on(self, outcome: _Outcome) -> None:
        now = time.perf_counter()
        elapsed = now - max(outcome.launched_at, self._ended_at)
        self._ended_at = now
        self.busy_s += elapsed
        self.bursts += 1
        self._on_batch(outcome.batch, len(outcome.drawn), elapsed)
        if self._traces:
            self._trace(outcome)
        for request in self._scheduler.finish_batch(outcome.batch, outcome.drawn, elapsed):
            self._consumers[request].wake()

    def _trace(self, outcome: _Outcome) -> None:
        tokens = (outcome.drawn != NO_TOKEN).sum(axis=0).tolist()
        for row, request in enumerate(outcome.batch.requests):
            consumer = self._consumers.get(request)
            if consumer is not None and consumer.trace is not None:
                consumer.trace.batch_ended(outcome.batch, tokens[row])

    def _ids_of(self, requests: tuple[Request, ...]) -> RequestIds:
        """The ids of some requests, joined. Most batches have the requests of the one before."""
        if requests is not self._named:
            self._named = requests
            self._ids = joined_ids(request.ids for request in requests)
        return self._ids

    def _fail_all(self, error: Exception) -> None:
        for request, consumer in self._consumers.items():
            if request.state is not State.FINISHED:
                self._scheduler.abort(request)
                consumer.error = error
            consumer.wake()

    def _fail(self, batch: Batch, error: Exception) -> None:
        for request in self._scheduler.fail_batch(batch):
            self._consumers[request].error = error
            self._consumers[request].wake()
