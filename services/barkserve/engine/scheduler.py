"""Decides which sequences run next: admits, batches, retires, aborts. Knows no torch and no
threads.

The order is that of playback deadlines: who runs dry first. A stream's deadline is worked out from
this stage alone, see Playback: the time of its first output and the audio it has made since. A
stream that has made nothing is due FIRST_SOUND_S after it came, so newcomers keep their order and
wait for those only who would fall silent before.

Decodes run all together: leaving one out saves the others next to nothing. Prompts run between
them, the most urgent and those of its length. Two steps of prompts follow each other only while
everybody who could decode has audio for longer than the next one takes; otherwise they take turns,
so that neither starves.
"""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from barkserve.engine.kv_cache import SlotTable
from barkserve.engine.playback import FIRST_SOUND_S
from barkserve.engine.request import Request, State

_FORGET = 0.8  # what a step of prompts took counts this much less at each that follows


@dataclass(frozen=True)
class Batch:
    """Sequences that take one step together: all append the same number of positions to their
    slots.

    Attributes:
        sequences: who takes part.
        slots: their slots; an abort while the step runs takes a sequence's own away.
        length: positions that each appends.
    """

    sequences: tuple[Request, ...]
    slots: tuple[int, ...]
    length: int

    @classmethod
    def of(cls, sequences: Iterable[Request], length: int) -> "Batch":
        """A step of sequences that all have a slot."""
        running = tuple(sequences)
        slots = tuple(sequence.slot for sequence in running if sequence.slot is not None)
        assert len(slots) == len(running)
        return cls(running, slots, length)

    def record(self, tokens: list[int]) -> bool:
        """What the step drew; False when no further step of these sequences may follow, because one
        of them is complete or aborted. Touches the sequences only.
        """
        go_on = True
        for sequence, token in zip(self.sequences, tokens, strict=True):
            if sequence.state is State.RUNNING:
                sequence.record(token, self.length)
            go_on = go_on and sequence.state is State.RUNNING and not sequence.complete
        return go_on


class Scheduler:
    """Continuous batching: sequences join and leave between steps.

    Args:
        slots: sequences that can run at once.
        prefill_positions: most positions of one step of prompts, if it is more than one prompt.
        clock: seconds, of any origin.
    """

    def __init__(
        self, slots: int, prefill_positions: int = 1, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._slots = SlotTable(slots)
        self._waiting: list[Request] = []
        self._running: list[Request] = []
        self._prefill_positions = prefill_positions
        self._clock = clock
        self._prefilled = False  # by the last step
        self._prefill_s = 0.0  # what a step of prompts takes

    @property
    def waiting(self) -> int:
        """Sequences without a slot."""
        return len(self._waiting)

    @property
    def running(self) -> int:
        """Sequences with a slot that are not finished."""
        return len(self._running)

    @property
    def free_slots(self) -> int:
        """Slots that a new sequence could have now."""
        return self._slots.available

    def add(self, sequence: Request) -> None:
        """Let a new sequence take part."""
        sequence.came = self._clock()
        self._waiting.append(sequence)

    def next_batch(self) -> Batch | None:
        """The sequences of the next step, or None when there is nothing to do."""
        self._admit()
        prefills = [sequence for sequence in self._running if sequence.pending_count > 1]
        decodes = [sequence for sequence in self._running if sequence.pending_count == 1]
        if prefills and (not decodes or self._may_prefill(decodes)):
            self._prefilled = True
            return self._prefill(prefills)
        self._prefilled = False
        return Batch.of(decodes, 1) if decodes else None

    def steps(self, batch: Batch) -> int:
        """How many steps of this batch may follow each other before there is anything to decide or
        to hand on: until the first of its sequences has tokens to report or is complete.
        """
        if batch.length > 1 or len(batch.sequences) < len(self._running):
            return 1
        return min(sequence.steps_to_report for sequence in batch.sequences)

    def settle(self, batch: Batch, elapsed: float) -> list[Request]:
        """Retire what is complete after a step that was recorded and took so many seconds; returns
        the sequences that have news. Sequences aborted meanwhile are skipped.
        """
        if batch.length > 1:
            self._prefill_s = max(elapsed, _FORGET * self._prefill_s)
        alive = [each for each in batch.sequences if each.state is State.RUNNING]
        now = self._clock()
        for sequence in alive:
            sequence.hand_on(now)
            if sequence.complete:
                self._retire(sequence)
        return alive

    def fail(self, batch: Batch) -> list[Request]:
        """Abort all of a batch of which a step failed; returns the sequences that have news. What
        the steps before it recorded is theirs.
        """
        alive = [each for each in batch.sequences if each.state is State.RUNNING]
        now = self._clock()
        for sequence in alive:
            sequence.hand_on(now)
            self.abort(sequence)
        return alive

    def abort(self, sequence: Request) -> None:
        """Forget a sequence in whatever state it is; its slot is free at once."""
        if sequence.state is State.WAITING:
            self._waiting.remove(sequence)
            if sequence.continues is not None:
                self._slots.free(sequence.continues)  # nobody else will continue it
        elif sequence.state is State.RUNNING:
            self._running.remove(sequence)
        sequence.state = State.ABORTED
        self._slots.free(sequence)

    def release(self, sequence: Request) -> None:
        """Give up the slot that a finished sequence holds, if it still does."""
        self._slots.free(sequence)

    def forget(self) -> None:
        """The cache is about to be lost: give up all slots that are held for sequences to come,
        which will compute anew what they held.
        """
        self._slots.forget()

    def _may_prefill(self, decodes: list[Request]) -> bool:
        if not self._prefilled:
            return True
        dry = [sequence.dry_at for sequence in decodes]
        if None in dry:  # it has yet to make its first sound
            return False
        return min(at for at in dry if at is not None) - self._clock() > self._prefill_s

    def _prefill(self, prefills: list[Request]) -> Batch:
        urgent = sorted(prefills, key=_due)
        length = urgent[0].pending_count
        most = max(1, self._prefill_positions // length)
        alike = [sequence for sequence in urgent if sequence.pending_count == length]
        return Batch.of(alike[:most], length)

    def _admit(self) -> None:
        for sequence in sorted(self._waiting, key=_due):
            before = sequence.continues
            slot = None if before is None else self._slots.take_over(before)
            if slot is not None and before is not None:
                sequence.cached = before.cached
            else:
                slot = self._slots.take()
            if slot is None:
                return
            sequence.slot = slot
            sequence.continues = None  # nothing of the past is needed any more
            sequence.state = State.RUNNING
            self._waiting.remove(sequence)
            self._running.append(sequence)

    def _retire(self, sequence: Request) -> None:
        sequence.state = State.FINISHED
        self._running.remove(sequence)
        if sequence.hold:
            self._slots.hold(sequence)
        else:
            self._slots.free(sequence)


def _due(sequence: Request) -> float:
    dry_at = sequence.dry_at
    return sequence.came + FIRST_SOUND_S if dry_at is None else dry_at
