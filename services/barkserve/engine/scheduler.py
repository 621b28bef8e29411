"""Decides what the model computes next: admits, batches, finishes and aborts requests.

The policy is earliest playback deadline first. A stream's deadline is when its player underruns,
estimated from this stage's own output (see playback.py). A stream without output is due
FIRST_AUDIO_S after its arrival. New streams therefore start in order of arrival and wait only for
streams that would underrun before that.

Decodes run in one burst, because leaving out a request saves almost no time. Parts of prompts run
between bursts: the most urgent one, together with others of about the same length. Two prefills
follow each other only while every decoding stream has more audio buffered than the next prefill
takes. Otherwise prefills and bursts alternate, and neither starves.

A batch can be planned before the batch before it has ended. It then contains requests that have
already drawn their stop token. The device does not run them.
"""

import time
from collections.abc import Callable, Sequence

from barkserve.engine.batch import Batch, Burst, Prefill
from barkserve.engine.burst_length import burst_length
from barkserve.engine.kv_cache import SlotTable
from barkserve.engine.limits import Limits
from barkserve.engine.playback import FIRST_AUDIO_S
from barkserve.engine.request import Request, State

_DECAY = 0.8  # of an estimated duration, per batch


class Scheduler:
    """Continuous batching: requests join and leave between batches.

    Args:
        limits: of the runner.
        clock: monotonic time, s.
    """

    def __init__(self, limits: Limits, clock: Callable[[], float] = time.monotonic) -> None:
        self._limits = limits
        self._slots = SlotTable(limits.slots)
        self._waiting: list[Request] = []
        self._running: list[Request] = []
        self._clock = clock
        self._prefilled = False  # the last batch was a prefill
        self._prefill_s = 0.0  # estimated duration of a prefill
        self._step_s = 0.0  # estimated duration of a decode step

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
        """Plan the next batch and count it as launched; None if there is nothing to launch."""
        self._admit()
        prefills, decodes = list[Request](), list[Request]()
        for request in self._running:
            if request.draws_left > 0:
                (decodes if request.decodes else prefills).append(request)
        if prefills and (not decodes or self._may_prefill(decodes)):
            self._prefilled = True
            return self._prefill(prefills)
        self._prefilled = False
        if not decodes:
            return None
        if prefills:  # they have waited for this burst
            return Burst.launch(decodes, self._limits.steps_between_prompts)
        steps = burst_length(decodes, self._clock(), self._step_s, self._limits.steps)
        return Burst.launch(decodes, steps)

    def finish_batch(
        self, batch: Batch, tokens: Sequence[Sequence[int]], elapsed: float
    ) -> list[Request]:
        """Record the tokens of a batch and finish the requests that are complete.

        Args:
            batch: the batch that has ended.
            tokens: the tokens that each request drew, the stop token included.
            elapsed: duration of the batch, s.

        Returns:
            The requests of the batch, without those aborted or finished meanwhile.
        """
        self._estimate(batch, tokens, elapsed)
        now = self._clock()
        alive = list[Request]()
        for request, drawn, planned in zip(batch.requests, tokens, batch.draws, strict=True):
            if request.state is State.RUNNING:
                alive.append(request)
                request.record(drawn, now)
                if request.complete:
                    self._finish(request)
                else:  # a burst on a CPU can end early
                    request.launched -= planned - len(drawn)
        return alive

    def fail_batch(self, batch: Batch) -> list[Request]:
        """Abort all requests of a batch that failed.

        Returns:
            The aborted requests, without those aborted or finished meanwhile.
        """
        alive = [request for request in batch.requests if request.state is State.RUNNING]
        for request in alive:
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

    def _prefill(self, prefills: list[Request]) -> Prefill:
        """Plan the next part of the most urgent prompt, and of others that fit to it."""
        urgent = sorted(prefills, key=_deadline)
        portion = self._limits.portion or max(map(_missing, urgent))
        length, last = min(portion, _missing(urgent[0])), _missing(urgent[0]) <= portion
        alike = [
            request
            for request in urgent
            if self._alike(min(portion, _missing(request)), length)
            and (_missing(request) <= portion) == last
        ]
        count = max(
            1, self._limits.prompt_positions // (portion if self._limits.padded else length)
        )
        return Prefill.launch(alike[:count], portion)

    def _alike(self, length: int, other: int) -> bool:
        """Whether parts of these lengths can run together."""
        return self._limits.padded or length == other

    def _estimate(self, batch: Batch, tokens: Sequence[Sequence[int]], elapsed: float) -> None:
        if isinstance(batch, Burst):
            steps = max(map(len, tokens))
            if steps:
                self._step_s = max(elapsed / steps, _DECAY * self._step_s)
        else:
            self._prefill_s = max(elapsed, _DECAY * self._prefill_s)

    def _admit(self) -> None:
        for request in sorted(self._waiting, key=_deadline):
            before = request.continues
            slot = None if before is None else self._slots.take_over(before)
            if slot is not None and before is not None:
                request.computed = before.cached
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


def _missing(request: Request) -> int:
    """Number of positions of the prompt that are not launched."""
    return len(request.prompt) - request.computed


def _deadline(request: Request) -> float:
    underrun_at = request.underrun_at
    return request.arrived_at + FIRST_AUDIO_S if underrun_at is None else underrun_at
