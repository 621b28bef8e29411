"""Decides which sequences run next: admits, batches, retires, aborts. Knows no torch and no
threads."""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

from barkserve.engine.kv_cache import SlotTable
from barkserve.engine.sequence import Sequence, State


@dataclass(frozen=True)
class Batch:
    """Sequences that take one step together: all append the same number of positions to their
    slots.

    Attributes:
        sequences: who takes part.
        slots: their slots; an abort while the step runs takes a sequence's own away.
        length: positions that each appends.
    """

    sequences: tuple[Sequence, ...]
    slots: tuple[int, ...]
    length: int

    @classmethod
    def of(cls, sequences: Iterable[Sequence], length: int) -> "Batch":
        """A step of sequences that all have a slot."""
        running = tuple(sequences)
        slots = tuple(sequence.slot for sequence in running if sequence.slot is not None)
        assert len(slots) == len(running)
        return cls(running, slots, length)


class Scheduler:
    """Continuous batching: sequences join and leave between steps; a prefill never runs twice
    before a decode."""

    def __init__(self, slots: int) -> None:
        self._slots = SlotTable(slots)
        self._waiting: deque[Sequence] = deque()
        self._running: list[Sequence] = []
        self._decode_next = False

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

    def add(self, sequence: Sequence) -> None:
        """Let a new sequence take part."""
        self._waiting.append(sequence)

    def next_batch(self) -> Batch | None:
        """The sequences of the next step, or None when there is nothing to do."""
        self._admit()
        prefills = [sequence for sequence in self._running if sequence.pending_count > 1]
        decodes = [sequence for sequence in self._running if sequence.pending_count == 1]
        if decodes and (self._decode_next or not prefills):
            self._decode_next = False
            return Batch.of(decodes, 1)
        if not prefills:
            return None
        self._decode_next = True
        return Batch.of(prefills[:1], prefills[0].pending_count)

    def advance(self, batch: Batch, tokens: list[int]) -> list[Sequence]:
        """Record what a step drew; returns the sequences that have news. Sequences aborted
        meanwhile are skipped."""
        alive = []
        for sequence, token in zip(batch.sequences, tokens, strict=True):
            if sequence.state is not State.RUNNING:
                continue
            sequence.cached += batch.length
            sequence.stopped = token == sequence.stop_token
            if not sequence.stopped:
                sequence.tokens.append(token)
            if sequence.stopped or len(sequence.tokens) == sequence.max_tokens:
                self._retire(sequence)
            alive.append(sequence)
        return alive

    def abort(self, sequence: Sequence) -> None:
        """Forget a sequence in whatever state it is; its slot is free at once."""
        if sequence.state is State.WAITING:
            self._waiting.remove(sequence)
            if sequence.continues is not None:
                self._slots.free(sequence.continues)  # nobody else will continue it
        elif sequence.state is State.RUNNING:
            self._running.remove(sequence)
        sequence.state = State.ABORTED
        self._slots.free(sequence)

    def release(self, sequence: Sequence) -> None:
        """Give up the slot that a finished sequence holds, if it still does."""
        self._slots.free(sequence)

    def _admit(self) -> None:
        while self._waiting:
            sequence = self._waiting[0]
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
            self._running.append(self._waiting.popleft())

    def _retire(self, sequence: Sequence) -> None:
        sequence.state = State.FINISHED
        self._running.remove(sequence)
        if sequence.hold:
            self._slots.hold(sequence)
        else:
            self._slots.free(sequence)
