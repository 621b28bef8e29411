"""Decides which requests run next: admits, batches, finishes and aborts them.

The policy is earliest playback deadline first. A stream's deadline is when its player underruns,
estimated from this stage's own output (see playback.py). A stream without output is due
FIRST_AUDIO_S after its arrival. New streams therefore start in order of arrival and wait only for
streams that would underrun before that.

Decodes run in one batch, because leaving out a request saves almost no time. Prefills run between
decodes: the most urgent prompt, together with others of the same length. Two prefills follow each
other only while every decoding stream has more audio buffered than the next prefill takes.
Otherwise prefills and decodes alternate, and neither starves.
"""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from barkserve.engine.kv_cache import SlotTable
from barkserve.engine.playback import FIRST_AUDIO_S
from barkserve.engine.request import Request, State

_PREFILL_DECAY = 0.8  # of the estimated prefill time, per prefill


@dataclass(frozen=True)
class Batch:
    """Requests that run one step together. Each appends the same number of positions to its slot.

    Attributes:
        requests: the requests.
        slots: their slots. An abort during the step clears a request's own `slot`, not this one.
        length: positions that each request appends.
    """

    requests: tuple[Request, ...]
    slots: tuple[int, ...]
    length: int

    @classmethod
    def from_requests(cls, requests: Iterable[Request], length: int) -> "Batch":
        """Make a batch of requests that all have a slot."""
        running = tuple(requests)
        slots = tuple(request.slot for request in running if request.slot is not None)
        assert len(slots) == len(running)
        return cls(running, slots, length)

    def record(self, tokens: list[int]) -> bool:
        """Record the tokens of a step. Changes the requests only.

        Returns:
            Whether the same batch can run another step: no request is complete or aborted.
        """
        repeatable = True
        for request, token in zip(self.requests, tokens, strict=True):
            if request.state is State.RUNNING:
                request.record(token, self.length)
            repeatable = repeatable and request.state is State.RUNNING and not request.complete
        return repeatable


class Scheduler:
    """Continuous batching: requests join and leave between steps.

    Args:
        slots: number of requests that can run at once.
        prefill_positions: most positions in a prefill of several prompts.
        clock: monotonic time, s.
    """

    def __init__(
        self, slots: int, prefill_positions: int = 1, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._slots = SlotTable(slots)
        self._waiting: list[Request] = []
        self._running: list[Request] = []
        self._prefill_positions = prefill_positions
        self._clock = clock
        self._prefilled = False  # the last step was a prefill
        self._prefill_s = 0.0  # estimated duration of a prefill

    @property
    def waiting(self) -> int:
        """Number of requests without a slot."""
        return len(self._waiting)

    @property
    def running(self) -> int:
        """Number of unfinished requests with a slot."""
        return len(self._running)

    @property
    def free_slots(self) -> int:
        """Number of slots that a new request could get now."""
        return self._slots.available

    def add(self, request: Request) -> None:
        """Queue a new request."""
        request.arrived_at = self._clock()
        self._waiting.append(request)

    def next_batch(self) -> Batch | None:
        """Choose the requests of the next step; None if there are none."""
        self._admit()
        prefills = [request for request in self._running if request.pending_count > 1]
        decodes = [request for request in self._running if request.pending_count == 1]
        if prefills and (not decodes or self._may_prefill(decodes)):
            self._prefilled = True
            return self._prefill(prefills)
        self._prefilled = False
        return Batch.from_requests(decodes, 1) if decodes else None

    def steps_to_report(self, batch: Batch) -> int:
        """Return how many steps of this batch can run without the scheduler.

        That is until the first of its requests has tokens to report or is complete.
        """
        if batch.length > 1 or len(batch.requests) < len(self._running):
            return 1
        return min(request.steps_to_report for request in batch.requests)

    def finish_step(self, batch: Batch, elapsed: float) -> list[Request]:
        """Publish the tokens of recorded steps and finish the requests that are complete.

        Args:
            batch: the batch that ran.
            elapsed: duration of its steps, s.

        Returns:
            The requests with new tokens or a new state, without those aborted meanwhile.
        """
        if batch.length > 1:
            self._prefill_s = max(elapsed, _PREFILL_DECAY * self._prefill_s)
        alive = [request for request in batch.requests if request.state is State.RUNNING]
        now = self._clock()
        for request in alive:
            request.publish(now)
            if request.complete:
                self._finish(request)
        return alive

    def fail_step(self, batch: Batch) -> list[Request]:
        """Abort all requests of a batch after a step failed; publish the steps before it.

        Returns:
            The aborted requests, without those aborted meanwhile.
        """
        alive = [request for request in batch.requests if request.state is State.RUNNING]
        now = self._clock()
        for request in alive:
            request.publish(now)
            self.abort(request)
        return alive

    def abort(self, request: Request) -> None:
        """Remove a request in any state. Its slot is free at once."""
        if request.state is State.WAITING:
            self._waiting.remove(request)
            if request.continues is not None:
                self._slots.free(request.continues)  # no other request continues it
        elif request.state is State.RUNNING:
            self._running.remove(request)
        request.state = State.ABORTED
        self._slots.free(request)

    def release(self, request: Request) -> None:
        """Free the slot held by a finished request, if any."""
        self._slots.free(request)

    def release_held(self) -> None:
        """Free all held slots before the cache is lost. Continuations then recompute it."""
        self._slots.release_held()

    def _may_prefill(self, decodes: list[Request]) -> bool:
        if not self._prefilled:
            return True
        underruns = [request.underrun_at for request in decodes]
        if None in underruns:  # a stream without output yet
            return False
        return min(at for at in underruns if at is not None) - self._clock() > self._prefill_s

    def _prefill(self, prefills: list[Request]) -> Batch:
        urgent = sorted(prefills, key=_deadline)
        length = urgent[0].pending_count
        count = max(1, self._prefill_positions // length)
        alike = [request for request in urgent if request.pending_count == length]
        return Batch.from_requests(alike[:count], length)

    def _admit(self) -> None:
        for request in sorted(self._waiting, key=_deadline):
            before = request.continues
            slot = None if before is None else self._slots.take_over(before)
            if slot is not None and before is not None:
                request.cached = before.cached
            else:
                slot = self._slots.take()
            if slot is None:
                return
            request.slot = slot
            request.continues = None  # a long stream must not keep all its requests in memory
            request.state = State.RUNNING
            self._waiting.remove(request)
            self._running.append(request)

    def _finish(self, request: Request) -> None:
        request.state = State.FINISHED
        self._running.remove(request)
        if request.hold:
            self._slots.hold(request)
        else:
            self._slots.free(request)


def _deadline(request: Request) -> float:
    underrun_at = request.underrun_at
    return request.arrived_at + FIRST_AUDIO_S if underrun_at is None else underrun_at
