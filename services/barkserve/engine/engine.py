"""The loop that makes sequences advance: schedule, run, record, tell those who wait.

The scheduler is touched by the event loop's thread only, the runner by one worker thread only: no
locks. While the worker has a batch it alone writes to its sequences, but for their state, and who
waits for tokens reads those of steps that are over. It keeps a batch of decodes for several steps
as long as nobody has anything to hear of them: waking a thread costs more than a step of a small
model. Who joins or leaves makes it come back after the step in flight. A sequence is added only
while the model is on its device, which it does not leave before the sequence has ended.
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
from barkserve.errors import StageFailed

_log = logging.getLogger(__name__)

_FAILED = "the model failed; see the stage's log"
_PAUSE_S = 0.1  # behind a defect: one that stays must leave a turn to health and to who stops us


class Runner(Protocol):
    """What the engine needs of a model: ModelRunner, or a fake whose tokens can be worked out by
    hand.
    """

    slots: int

    def run(self, batch: Batch) -> list[int]:
        """Append every sequence's pending positions to its slot and draw one token each."""


@dataclass(eq=False)
class _Waiter:
    """Somebody who waits for a sequence's tokens."""

    news: asyncio.Event = field(default_factory=asyncio.Event)
    added: float = field(default_factory=time.perf_counter)
    sent: int = 0  # tokens that were handed on
    error: Exception | None = None


class Engine:
    """Runs many sequences at once on one model.

    Args:
        runner: the model.
        prefill_positions: most positions of one step of several prompts.
        thread: the worker.
        residence: whether the model is on its device; None: always.
    """

    def __init__(
        self,
        runner: Runner,
        prefill_positions: int = 1,
        thread: ModelThread | None = None,
        residency: DeviceResidency | None = None,
    ) -> None:
        self._runner = runner
        self._residence = residency or DeviceResidency()
        self._scheduler = Scheduler(runner.slots, prefill_positions)
        self._changed = False  # somebody joined or left since the worker was given a batch
        self._waiters: dict[Request, _Waiter] = {}
        self._work = asyncio.Event()
        self._thread = thread or ModelThread()
        self._loop_task: asyncio.Task[None] | None = None
        self.busy_s = 0.0  # seconds in which the model computed, since the start

    @property
    def slots(self) -> int:
        """All slots of the cache."""
        return self._runner.slots

    @property
    def free_slots(self) -> int:
        """Slots that a new sequence could have now."""
        return self._scheduler.free_slots

    @property
    def running(self) -> int:
        """Sequences that have a slot and are not finished."""
        return self._scheduler.running

    @property
    def waiting(self) -> int:
        """Sequences that wait for a slot."""
        return self._scheduler.waiting

    @property
    def away(self) -> bool:
        """Whether the model is not on its device."""
        return self._residence.away

    async def start(self) -> None:
        """Begin to take steps whenever there is something to do."""
        await self._residence.start(self._thread.run, self._scheduler.forget)
        self._loop_task = asyncio.create_task(self._steps(), name="engine steps")

    async def stop(self) -> None:
        """Finish the step in flight and take no further one."""
        if self._loop_task is not None:
            self._loop_task.cancel()
            await asyncio.gather(self._loop_task, return_exceptions=True)
        await self._residence.stop()
        self._thread.shutdown()

    async def wait_fatal(self) -> None:
        """Return once the model's device works no more."""
        await self._thread.wait_fatal()

    async def generate(self, sequence: Request) -> AsyncGenerator[list[int], None]:
        """Run a sequence; yields the tokens drawn since the last yield: at least
        sequence.report_every, fewer only at its end, never none.

        Leaving the iteration early aborts the sequence within one step.

        Raises:
            StageFailed: the model failed in a step that this sequence took part in, or could not
                come back to its device.
        """
        waiter = _Waiter()
        async with self._residence.lease():
            self._add(sequence, waiter)
            try:
                while True:
                    ended = sequence.state not in (State.WAITING, State.RUNNING)
                    fresh = sequence.tokens[waiter.sent : sequence.settled]
                    if len(fresh) >= (1 if ended else sequence.report_every):
                        waiter.sent += len(fresh)
                        yield fresh
                    elif waiter.error is not None:
                        raise StageFailed(_FAILED) from waiter.error
                    elif ended:
                        return
                    else:
                        await waiter.news.wait()
                        waiter.news.clear()
            finally:
                self._remove(sequence)

    def release(self, sequence: Request) -> None:
        """Give up the slot that a finished sequence holds, if it still does."""
        self._scheduler.release(sequence)

    def _add(self, sequence: Request, waiter: _Waiter) -> None:
        self._waiters[sequence] = waiter
        self._scheduler.add(sequence)
        self._changed = True
        self._work.set()

    def _remove(self, sequence: Request) -> None:
        del self._waiters[sequence]
        if sequence.state is not State.FINISHED:
            self._scheduler.abort(sequence)
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
            except Exception as error:  # a defect of ours: nobody may wait for a loop that is gone
                _log.exception("the engine failed; all its streams end")
                self._fail_all(error)
                await asyncio.sleep(_PAUSE_S)

    async def _step(self, batch: Batch) -> None:
        started = time.perf_counter()
        self._note_start(batch, started)
        steps = self._scheduler.steps(batch)
        self._changed = False
        try:
            await self._thread.run(self._run, batch, steps)
        except Exception as error:
            _log.exception("a step of %d sequences failed", len(batch.sequences))
            self._fail(batch, error)
            return
        elapsed = time.perf_counter() - started
        self.busy_s += elapsed
        for sequence in self._scheduler.settle(batch, elapsed):
            sequence.compute_s += elapsed
            waiter = self._waiters[sequence]
            due = waiter.sent + sequence.report_every
            if sequence.state is not State.RUNNING or len(sequence.tokens) >= due:
                waiter.news.set()

    def _run(self, batch: Batch, steps: int) -> None:
        """In the worker thread."""
        for _ in range(steps):
            if not batch.record(self._runner.run(batch)) or self._changed:
                return

    def _note_start(self, batch: Batch, now: float) -> None:
        for sequence in batch.sequences:
            if sequence.compute_s == 0.0 and sequence in self._waiters:
                sequence.queue_s = now - self._waiters[sequence].added

    def _fail_all(self, error: Exception) -> None:
        for sequence, waiter in self._waiters.items():
            if sequence.state is not State.FINISHED:
                self._scheduler.abort(sequence)
                waiter.error = error
            waiter.news.set()

    def _fail(self, batch: Batch, error: Exception) -> None:
        for sequence in self._scheduler.fail(batch):
            self._waiters[sequence].error = error
            self._waiters[sequence].news.set()
