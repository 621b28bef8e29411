"""Decides what the model computes next: admits, batches, finishes and aborts requests.

The policy is earliest playback deadline first. A stream's deadline is when its player underruns,
estimated from this stage's own output (see playback.py). A stream without output is due
FIRST_AUDIO_S after its arrival. New streams therefore start in order of arrival and wait only for
streams that would underrun before that.

Decodes run in one burst, because leaving out a request saves almost no time. Portions of prompts
run between bursts: the most urgent one, together with others of about the same length. Two prefills
follow each other only while every decoding stream has more audio buffered than the next prefill
takes. Otherwise prefills and bursts alternate, and neither starves.

A batch can be planned before the batch before it has ended. It then contains requests that have
already drawn their stop token. The device does not run them.
"""

import time
from collections.abc import Callable

from barkserve.engine.batch import Batch, Burst, Integers, Prefill
from barkserve.engine.burst_length import burst_length
from barkserve.engine.kv_cache import SlotTable
from barkserve.engine.limits import Limits
from barkserve.engine.playback import FIRST_AUDIO_S
from barkserve.engine.progress import Progress
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
        self._prompts: list[Request] = []  # running, with positions that are not launched
        self._joining: list[Request] = []  # running, without a batch yet, to join the next burst
        self._progress = Progress(limits.slots)
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
        return self._progress.running

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
        decoding = self._progress.decoding()
        if self._prompts and (not len(decoding) or self._may_prefill(decoding)):
            self._prefilled = True
            return self._prefill()
        self._prefilled = False
        return self._burst(decoding) if len(decoding) else None

    def finish_batch(self, batch: Batch, drawn: Integers, elapsed: float) -> list[Request]:
        """Record the tokens of a batch and finish the requests that are complete.

        Args:
            batch: the batch that has ended.
            drawn: (steps, B) the tokens that each request drew, the stop token included, and
                NO_TOKEN after them.
            elapsed: duration of the batch, s.

        Returns:
            The requests that now have more `tokens`, or have ended.
        """
        self._estimate(batch, len(drawn), elapsed)
        self._progress.record(batch, drawn, elapsed)
        reported = list[Request]()
        for request, ended in self._progress.due(self._clock()):
            reported.append(request)
            if ended:
                self._finish(request)
        return reported

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
            assert request.slot is not None
            self._progress.end(request.slot)
            for unlaunched in (self._prompts, self._joining):
                if request in unlaunched:
                    unlaunched.remove(request)
        request.state = State.ABORTED
        self._slots.free(request)

    def release(self, request: Request) -> None:
        """Free the slot held by a finished request, if any."""
        self._slots.free(request)

    def release_held(self) -> None:
        """Free all held slots before the cache is lost. Continuations then recompute it."""
        self._slots.release_held()

    def _may_prefill(self, decoding: Integers) -> bool:
        if not self._prefilled:
            return True
        underrun_at = self._progress.outlook(decoding).underrun_at.min()
        return bool(underrun_at - self._clock() > self._prefill_s)

    def _burst(self, decoding: Integers) -> Burst:
        progress, now = self._progress, self._clock()
        for request in self._joining:
            _end_queue(request, now)
        self._joining.clear()
        if self._prompts:  # they have waited for this burst
            return progress.launch_burst(decoding, self._limits.steps_between_prompts)
        outlook = progress.outlook(decoding)
        steps = burst_length(outlook, now, self._step_s, self._limits.steps)
        return progress.launch_burst(decoding, steps)

    def _prefill(self) -> Prefill:
        """Plan the next portion of the most urgent prompt, and of others that fit to it."""
        urgent = sorted(self._prompts, key=_deadline)
        portion = self._limits.portion or max(request.missing for request in urgent)
        length, last = min(portion, urgent[0].missing), urgent[0].missing <= portion
        alike = [
            request
            for request in urgent
            if self._alike(min(portion, request.missing), length)
            and (request.missing <= portion) == last
        ]
        count = max(
            1, self._limits.prompt_positions // (portion if self._limits.padded else length)
        )
        batch = self._progress.launch_prefill(alike[:count], portion)
        now = self._clock()
        for request in batch.requests:
            _end_queue(request, now)
            if last:
                self._prompts.remove(request)
        return batch

    def _alike(self, length: int, other: int) -> bool:
        """Whether portions of these lengths can run together."""
        return self._limits.padded or length == other

    def _estimate(self, batch: Batch, steps: int, elapsed: float) -> None:
        if isinstance(batch, Burst):
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
            self._progress.start(request, slot)
            (self._joining if request.decodes_prompt else self._prompts).append(request)

    def _finish(self, request: Request) -> None:
        assert request.slot is not None
        request.state = State.FINISHED
        self._progress.end(request.slot)
        if request.hold:
            self._slots.hold(request)
        else:
            self._slots.free(request)


def _end_queue(request: Request, now: float) -> None:
    """Note when the first batch of a request is planned."""
    if not request.queue_s:
        request.queue_s = now - request.arrived_at


def _deadline(request: Request) -> float:
    underrun_at = request.underrun_at
    return request.arrived_at + FIRST_AUDIO_S if underrun_at is None else underrun_at
