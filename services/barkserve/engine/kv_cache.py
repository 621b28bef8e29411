"""Which slots of the key/value cache are free, in use, or held for a sequence that may be
continued.

Slots, not pages: a Bark sequence never needs more than the model's block size, so each gets one
fixed row. Knows numbers only; the tensor lives in the model runner.
"""

import heapq
from collections import OrderedDict

from barkserve.engine.request import Request


class SlotTable:
    """Hands out slot numbers, lowest first, so that the running ones lie close together."""

    def __init__(self, slots: int) -> None:
        self.size = slots
        self._free = list(range(slots))
        self._held = OrderedDict[int, Request]()  # slot -> its finished sequence, oldest first

    @property
    def available(self) -> int:
        """Slots that take() could hand out: free ones and held ones."""
        return len(self._free) + len(self._held)

    def take(self) -> int | None:
        """A free slot; failing that the one held longest, whose sequence loses it; failing that
        None.
        """
        if self._free:
            return heapq.heappop(self._free)
        if not self._held:
            return None
        slot, evicted = self._held.popitem(last=False)
        evicted.slot = None
        return slot

    def hold(self, sequence: Request) -> None:
        """Keep a finished sequence's slot for one that continues it."""
        assert sequence.slot is not None
        self._held[sequence.slot] = sequence

    def take_over(self, sequence: Request) -> int | None:
        """The slot held for this sequence, now in use again; None if it was given away
        meanwhile.
        """
        slot = sequence.slot
        if slot is None or self._held.pop(slot, None) is None:
            return None
        sequence.slot = None
        return slot

    def forget(self) -> None:
        """Take all held slots from their sequences."""
        for sequence in list(self._held.values()):
            self.free(sequence)

    def free(self, sequence: Request) -> None:
        """Give a sequence's slot back, held or in use; does nothing if it has none."""
        if sequence.slot is None:
            return
        self._held.pop(sequence.slot, None)
        heapq.heappush(self._free, sequence.slot)
        sequence.slot = None
