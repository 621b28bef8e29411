"""The progress of the requests that run. Its cost hardly grows with their number.

All requests that decode take part in every burst, so one count of decode steps stands for all of
them: request r has drawn `step - base[r]` tokens. Python looks at a single request only when it
starts, when its tokens are reported, and when it ends. Tokens wait in one array until then.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from barkserve.engine.batch import NO_TOKEN, Batch, Burst, Integers, Prefill
from barkserve.engine.burst_length import Outlook
from barkserve.engine.request import Request

_NO_REQUEST = 0  # serial number of a slot without a request
_NEVER = np.iinfo(np.int64).max
_LOG_STEPS = 64  # at first
_WAIT_SHARE = 0.2  # of the audio beyond half of ahead_s that may be played before a report
_BASE, _EVERY, _ENDS_AT = range(3)


@dataclass(slots=True)
class _Row:
    """The request in a slot.

    Attributes:
        request: the request.
        base: the request has drawn as many tokens as steps have ended after this one.
        unread: the first token, if a prefill drew it, until it is reported.
        next_step: the step of the first token that is not reported, without `unread`.
        burst_s: seconds of all bursts before its first one; None: it does not decode yet.
    """

    request: Request
    base: int = 0
    next_step: int = 0
    burst_s: float | None = None
    unread: list[int] = field(default_factory=list)


class Progress:
    """Counts the work of requests by slot. Work counts as launched when it is planned.

    Args:
        slots: number of slots.
    """

    def __init__(self, slots: int) -> None:
        self._launched = 0  # decode steps
        self._ended = 0  # decode steps
        self._burst_s = 0.0  # of bursts that have ended
        self._started = 0  # requests so far
        self._rows: list[_Row | None] = [None] * slots
        self._serials = np.full(slots, _NO_REQUEST)
        self._stop = np.full(slots, NO_TOKEN)
        self._stops = 0  # number of requests with a stop token
        self._plan = np.zeros((3, slots), dtype=np.int64)  # _BASE, _EVERY, _ENDS_AT
        self._due_at = np.full(slots, _NEVER)  # step after which tokens can be reported
        self._hold_until = np.full(slots, -np.inf)  # time before which only the end is reported
        self._underrun_at = np.full(slots, -np.inf)
        self._ahead_s = np.zeros(slots)
        self._log = np.zeros((slots, _LOG_STEPS), dtype=np.int64)  # tokens by step, a ring
        self._last: Burst | None = None

    @property
    def running(self) -> int:
        """Number of requests that run."""
        return int(np.count_nonzero(self._serials))

    def start(self, request: Request, slot: int) -> None:
        """Begin with a request in its slot."""
        self._started += 1
        self._rows[slot] = _Row(request)
        self._serials[slot] = self._started
        self._due_at[slot] = _NEVER
        self._plan[:, slot] = (0, request.report_every, 0)
        self._stop[slot] = NO_TOKEN if request.stop_token is None else request.stop_token
        self._stops += request.stop_token is not None
        self._underrun_at[slot] = _underrun_at(request)
        self._ahead_s[slot] = request.ahead_s
        self._hold_until[slot] = self._underrun_at[slot] - request.ahead_s
        while request.max_tokens * 2 > self._log.shape[1]:
            self._grow()
        if request.decodes_prompt:
            self._join(slot, drawn=0)
            self._set_first_due(slot)

    def end(self, slot: int) -> None:
        """Add all tokens to a request that has ended or was aborted, and free its row."""
        row = self._row(slot)
        self._take(slot, row, int(min(self._ended, self._plan[_ENDS_AT, slot])))
        if row.burst_s is not None:
            row.request.compute_s += self._burst_s - row.burst_s
        self._stops -= row.request.stop_token is not None
        self._rows[slot] = None
        self._serials[slot] = _NO_REQUEST
        self._plan[_ENDS_AT, slot] = 0
        self._due_at[slot] = _NEVER

    def decoding(self) -> Integers:
        """Return the slots of requests with decode steps left, ascending."""
        return np.flatnonzero(self._plan[_ENDS_AT] > self._launched)

    def outlook(self, slots: Integers) -> Outlook:
        """Return what is left to do in these slots."""
        base, every, ends_at = self._plan[:, slots]
        left = ends_at - self._launched
        to_report = np.minimum(every - (self._launched - base) % every, left)
        return Outlook(left, to_report, every, self._underrun_at[slots])

    def launch_burst(self, slots: Integers, steps: int) -> Burst:
        """Plan a burst of `decoding` slots and count its steps as launched."""
        serials, last = self._serials[slots], self._last
        if last is not None and np.array_equal(serials, last.serials):  # as for most bursts
            requests = last.requests
        else:
            requests = tuple(self._row(slot).request for slot in slots.tolist())
        self._last = Burst(requests, slots, serials, self._launched, steps)
        self._launched += steps
        return self._last

    def launch_prefill(self, requests: list[Request], portion: int) -> Prefill:
        """Plan the next portion of some prompts and count it as launched.

        Args:
            requests: all or none of their prompts end within the portion.
            portion: most positions per row.
        """
        slots = np.array([request.slot for request in requests], dtype=np.int64)
        starts = np.array([request.computed for request in requests])
        lengths = np.array([min(portion, request.missing) for request in requests])
        last = bool(requests[0].missing <= portion)
        for request, slot, length in zip(requests, slots.tolist(), lengths.tolist(), strict=True):
            request.computed += length
            if last:
                self._join(slot, drawn=1)
        serials, first = self._serials[slots], self._launched
        return Prefill(tuple(requests), slots, serials, first, starts, lengths, last)

    def record(self, batch: Batch, drawn: Integers, elapsed: float) -> None:
        """Store the tokens of a batch that has ended.

        Requests of the batch that were aborted or have ended meanwhile are left out.

        Args:
            batch: the batch.
            drawn: (steps, B), NO_TOKEN after a row's last token.
            elapsed: duration of the batch, s.
        """
        if isinstance(batch, Burst):
            self._burst_s += elapsed
            self._record_burst(batch, drawn)
        else:
            self._record_prefill(batch, drawn, elapsed)

    def due(self, now: float) -> list[tuple[Request, bool]]:
        """Add tokens to the requests that must report some, and count them as output.

        Requests that have ended get all their tokens, others a multiple of `report_every`. A
        stream with much audio buffered gets larger reports, because each costs this stage and the
        next a message.

        Args:
            now: monotonic time, s.

        Returns:
            The requests, and whether each has ended.
        """
        ended = self._plan[_ENDS_AT] <= self._ended
        due = (self._due_at <= self._ended) & (ended | (self._hold_until <= now))
        slots = np.flatnonzero(due)
        if not len(slots):
            return []
        ended = ended[slots]
        return list(zip(self._report(slots, ended, now), ended.tolist(), strict=True))

    def _join(self, slot: int, drawn: int) -> None:
        """Take part in the next burst, with a number of tokens drawn before."""
        row = self._row(slot)
        row.base, row.next_step, row.burst_s = self._launched - drawn, self._launched, self._burst_s
        self._plan[_BASE, slot] = row.base
        self._plan[_ENDS_AT, slot] = row.base + row.request.max_tokens

    def _set_first_due(self, slot: int) -> None:
        row = self._row(slot)
        after = min(row.request.report_every, row.request.max_tokens)
        self._due_at[slot] = row.base + after

    def _record_burst(self, batch: Burst, drawn: Integers) -> None:
        self._ended = batch.first + len(drawn)
        if len(drawn) != batch.steps:  # on a CPU, where no other batch is in flight
            self._launched = self._ended
        steps = np.arange(batch.first, self._ended) % self._log.shape[1]
        self._log[batch.slots[:, None], steps] = drawn.T
        if not self._stops:
            return
        stopped = drawn == self._stop[batch.slots]
        for number in np.flatnonzero(stopped.any(axis=0)).tolist():
            slot = int(batch.slots[number])
            if self._serials[slot] == batch.serials[number]:
                self._row(slot).request.stopped = True
                ends_at = batch.first + int(stopped[:, number].argmax())
                self._plan[_ENDS_AT, slot] = self._due_at[slot] = ends_at

    def _record_prefill(self, batch: Batch, drawn: Integers, elapsed: float) -> None:
        self._ended = batch.first  # some of these steps may have failed
        for number, (slot, serial) in enumerate(
            zip(batch.slots.tolist(), batch.serials.tolist(), strict=True)
        ):
            if self._serials[slot] != serial:
                continue
            row = self._row(slot)
            row.request.compute_s += elapsed
            if not len(drawn):
                continue
            token = int(drawn[0, number])
            if token == row.request.stop_token:
                row.request.stopped = True
                self._plan[_ENDS_AT, slot] = self._due_at[slot] = row.next_step
            else:
                row.unread.append(token)
                self._set_first_due(slot)

    def _report(self, slots: Integers, ended: NDArray[np.bool_], now: float) -> list[Request]:
        base, every, ends_at = self._plan[:, slots]
        whole = self._ended - (self._ended - base) % every
        self._due_at[slots] = np.minimum(whole + every, ends_at)
        requests, underrun_at = list[Request](), list[float]()
        until = np.where(ended, ends_at, whole)
        for slot, end in zip(slots.tolist(), until.tolist(), strict=True):
            row = self._row(slot)
            request, before = row.request, len(row.request.tokens)
            self._take(slot, row, end)
            if request.playback is not None:
                request.playback.publish(len(request.tokens) - before, now)
            requests.append(request)
            underrun_at.append(_underrun_at(request))
        self._underrun_at[slots] = underrun_at
        ahead_s, buffered_s = self._ahead_s[slots], self._underrun_at[slots] - now
        wait_s = np.maximum(buffered_s - ahead_s, _WAIT_SHARE * (buffered_s - ahead_s / 2))
        self._hold_until[slots] = now + wait_s
        return requests

    def _take(self, slot: int, row: _Row, end: int) -> None:
        """Move the tokens before a step from the log to the request."""
        if row.unread:
            row.request.tokens += row.unread
            row.unread.clear()
        if end > row.next_step:
            size = self._log.shape[1]
            first, last = row.next_step % size, (end - 1) % size + 1
            if first < last:
                tokens = self._log[slot, first:last].tolist()
            else:
                tokens = self._log[slot, first:].tolist() + self._log[slot, :last].tolist()
            row.request.tokens += tokens
            row.next_step = end

    def _grow(self) -> None:
        """Double the log."""
        size = self._log.shape[1]
        steps = np.arange(max(0, self._launched - size), self._launched)
        log = np.zeros((len(self._log), 2 * size), dtype=np.int64)
        log[:, steps % (2 * size)] = self._log[:, steps % size]
        self._log = log

    def _row(self, slot: int) -> _Row:
        row = self._rows[slot]
        assert row is not None
        return row


def _underrun_at(request: Request) -> float:
    at = request.underrun_at
    return -np.inf if at is None else at
