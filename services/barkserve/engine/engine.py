"""The engine's loop: plan a batch, launch it, read the tokens of the one before, wake consumers.

The loop runs in the worker thread for as long as there is work, so that the model never waits for
the event loop, which is busy with the messages of all streams. The event loop adds and removes
requests, and wakes consumers when the worker has tokens to report. A lock guards the scheduler. The
worker holds it while it plans and records, not while the model computes.

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
from threading import Lock
from typing import Any, Protocol

import numpy as np

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

_NOTHING: Integers = np.zeros((0, 0), dtype=np.int64)  # drawn
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
            for a prefill that is not the last. All steps of a burst, also those in which no
            request drew; fewer only if no other batch can be in flight.
        """


@dataclass(frozen=True)
class _Flight:
    """A batch in flight."""

    batch: Batch
    launched_at: float
    handle: Any


@dataclass(frozen=True)
class _Outcome:
    """A batch that has ended, with its duration, s, and the requests that have tokens or an end."""

    batch: Batch
    drawn: Integers
    elapsed: float
    reported: list[Request]


class _BatchFailed(Exception):
    """The model failed on a batch; the cause is its error."""

    def __init__(self, batch: Batch) -> None:
        super().__init__(batch)
        self.batch = batch


class _Consumer:
    """The reader of a request's tokens."""

    def __init__(self, trace: RequestTrace | None) -> None:
        self.trace = trace
        self.error: BaseException | None = None
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
        on_batch: called in the event loop after each batch, perhaps some batches later, with the
            batch, its decode steps and its seconds.

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
        self._lock = Lock()  # of the scheduler
        self._changed = False  # requests were added or removed since the last launch
        self._stopping = False
        self._work = asyncio.Event()
        self._thread = thread or ModelThread()
        self._task: asyncio.Task[None] | None = None

        # The event loop's.
        self._consumers: dict[Request, _Consumer] = {}
        self._traces = 0  # requests that are traced

        # The worker thread's.
        self._flights: deque[_Flight] = deque()
        self._current: Batch | None = None  # what is launched or collected
        self._ended_at = 0.0  # the last batch
        self._named: tuple[Request, ...] = ()  # whose ids are known
        self._ids = RequestIds()

        # From the worker thread to the event loop.
        self._outcomes: deque[_Outcome] = deque()
        self._announced = False  # `_hand_on` is scheduled
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
        await self._residency.start(self._thread.run, self._release_held)
        work = self._run(asyncio.get_running_loop())
        self._task = asyncio.create_task(work, name="engine")

    async def stop(self) -> None:
        """Finish the current batch and stop."""
        self._stopping = True
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
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
                    # The worker adds the last tokens before it sets the state.
                    ended = request.state not in (State.WAITING, State.RUNNING)
                    tokens = request.tokens[sent:]
                    if tokens:
                        sent += len(tokens)
                        yield tokens
                    elif consumer.error is not None:
                        raise ModelExecutionFailed() from consumer.error
                    elif ended:
                        return
                    else:
                        await consumer.wait()
            finally:
                self._remove(request)
                if consumer.trace is not None:
                    self._traces -= 1
                    consumer.trace.ended(request)

    def release(self, request: Request) -> None:
        """Free the slot held by a finished request, if any."""
        with self._lock:
            self._scheduler.release(request)

    def _release_held(self) -> None:
        with self._lock:
            self._scheduler.release_held()

    def _add(self, request: Request, consumer: _Consumer) -> None:
        self._consumers[request] = consumer
        with self._lock:
            self._scheduler.add(request)
            self._changed = True
        self._work.set()

    def _remove(self, request: Request) -> None:
        del self._consumers[request]
        with self._lock:
            if request.state is not State.FINISHED:
                self._scheduler.abort(request)
                self._changed = True

    async def _run(self, loop: asyncio.AbstractEventLoop) -> None:
        """Let the worker thread run batches whenever there is work."""
        while True:
            await self._work.wait()
            self._work.clear()
            try:
                await self._thread.run_series(self._run_batches, loop)
                self._hand_on()
            except _BatchFailed as failure:
                self._hand_on()
                self._fail(failure.batch, failure.__cause__)
                self._work.set()
            except Exception as error:  # a bug; without this loop all consumers would wait forever
                with running_for(request.ids for request in self._consumers):
                    _log.exception("internal error in the engine; all its streams end")
                self._fail_all(error)
                await asyncio.sleep(_PAUSE_S)
                self._work.set()

    def _run_batches(self, loop: asyncio.AbstractEventLoop) -> None:
        """Run batches in the worker thread until none are left.

        Args:
            loop: the event loop, which is told when requests have tokens.

        Raises:
            _BatchFailed: the model failed on a batch. Others may be left.
        """
        while not self._stopping:
            with self._lock:
                self._changed = False
                batch = self._scheduler.next_batch()
            if batch is None and not self._flights:
                return
            flight, drawn = self._compute(batch)
            if flight is not None:
                self._announce(self._record(flight, drawn), loop)

    def _compute(self, batch: Batch | None) -> tuple[_Flight | None, Integers]:
        """Launch a batch, if any, and collect the oldest one if it must end."""
        self._current = named = batch or self._flights[0].batch
        with running_for((self._ids_of(named.requests),)):
            try:
                return self._thread.compute(self._launch_and_collect, batch)
            except Exception as error:
                raise _BatchFailed(self._current) from error

    def _launch_and_collect(self, batch: Batch | None) -> tuple[_Flight | None, Integers]:
        if batch is not None:
            launched_at = time.perf_counter()
            handle = self._runner.launch(batch, self._proceed)
            self._flights.append(_Flight(batch, launched_at, handle))
            if len(self._flights) < self._runner.limits.in_flight:
                return None, _NOTHING
        flight = self._flights.popleft()
        self._current = flight.batch
        return flight, self._runner.collect(flight.handle)

    def _proceed(self) -> bool:
        """Whether a burst goes on, after one of its steps. Called in the worker thread."""
        self._thread.note_step()
        return not (self._changed or self._stopping)

    def _record(self, flight: _Flight, drawn: Integers) -> _Outcome:
        now = time.perf_counter()
        elapsed = now - max(flight.launched_at, self._ended_at)
        self._ended_at = now
        self.busy_s += elapsed
        self.bursts += 1
        with self._lock:
            reported = self._scheduler.finish_batch(flight.batch, drawn, elapsed)
        return _Outcome(flight.batch, drawn, elapsed, reported)

    def _announce(self, outcome: _Outcome, loop: asyncio.AbstractEventLoop) -> None:
        """Pass an outcome to the event loop. One without reports waits for the next one."""
        self._outcomes.append(outcome)
        if (outcome.reported or self._traces) and not self._announced:
            self._announced = True
            loop.call_soon_threadsafe(self._hand_on)

    def _hand_on(self) -> None:
        """Wake the consumers of all outcomes."""
        self._announced = False
        while self._outcomes:
            outcome = self._outcomes.popleft()
            self._on_batch(outcome.batch, len(outcome.drawn), outcome.elapsed)
            if self._traces:
                self._trace(outcome)
            for request in outcome.reported:
                if request in self._consumers:  # not aborted meanwhile
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
        with self._lock:
            for request, consumer in self._consumers.items():
                if request.state is not State.FINISHED:
                    self._scheduler.abort(request)
                    consumer.error = error
        for consumer in self._consumers.values():
            consumer.wake()

    def _fail(self, batch: Batch, error: BaseException | None) -> None:
        """End the requests of a batch on which the model failed."""
        with running_for(request.ids for request in batch.requests):
            _log.error("a batch of %d requests failed", len(batch.requests), exc_info=error)
        with self._lock:
            failed = self._scheduler.fail_batch(batch)
        for request in failed:
            self._consumers[request].error = error
            self._consumers[request].wake()
