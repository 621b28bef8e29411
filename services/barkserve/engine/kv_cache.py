"""Allocates slots of the key/value cache: free, in use, or held for a continuation.

Slots instead of pages: a Bark utterance never needs more than the model's block size, so each
request gets one fixed row. This module handles numbers; the model runner owns the tensor.
"""

import heapq
from collections import OrderedDict

from barkserve.engine.request import Request


class SlotTable:
    """Allocates slot numbers, lowest first, which keeps the running ones adjacent."""

    def __init__(self, slots: int) -> None:
        self.size = slots
        self._free = list(range(slots))
        self._held = OrderedDict[int, Request]()  # slot -> its finished request, oldest first

    @property
    def available(self) -> int:
        """Number of slots that take() can return: free and held ones."""
        return len(self._free) + len(self._held)

    def take(self) -> int | None:
        """Return a free slot, else the one held longest, else None.

        The request that held the slot loses it.
        """
        if self._free:
            return heapq.heappop(self._free)
        if not self._held:
            return None
        slot, evicted = self._held.popitem(last=False)
        evicted.slot = None
        return slot

    def hold(self, request: Request) -> None:
        """Keep a finished request's slot for a continuation."""
        assert request.slot is not None
        self._held[request.slot] = request

    def take_over(self, request: Request) -> int | None:
        """Return the slot held for this request, now in use; None if it was evicted."""
        slot = request.slot
        if slot is None or self._held.pop(slot, None) is None:
            return None
        request.slot = None
        return slot

    def release_held(self) -> None:
        """Free all held slots."""
        for request in list(self._held.values()):
            self.free(request)

    def free(self, request: Request) -> None:
        """Free a request's slot, held or in use. Does nothing if it has none."""
        if request.slot is None:
            return
        self._held.pop(request.slot, None)
        heapq.heappush(self._free, request.slot)
        request.slot = None
