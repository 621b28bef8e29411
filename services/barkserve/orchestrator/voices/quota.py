"""The limit of stored voices, over voices with names and voices with handles."""

import threading
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager

from barkserve.errors import StoreFull

ListStored = Callable[[], Collection[str]]


class VoiceQuota:
    """Counts stored voices. The limit holds for concurrent calls in one process.

    Processes that share a store count the files of all, but not what the others are writing at
    that moment. Each of them can exceed the limit by the voices that the others are writing.
    All methods block.

    Args:
        limit: the largest number of voices.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._parts: list[tuple[str, ListStored]] = []
        self._lock = threading.Lock()
        self._reserved: Counter[str] = Counter()  # voices that are being written

    def count(self, description: str, stored: ListStored) -> None:
        """Count a part of the store.

        Args:
            description: what is stored in it, for errors: "with a name".
            stored: returns a unique key for each of its voices.
        """
        self._parts.append((description, stored))

    def check(self) -> None:
        """Raise StoreFull if another voice cannot be stored."""
        with self._lock:
            self._check("")

    @contextmanager
    def reserve(self, key: str) -> Iterator[None]:
        """Count a voice while it is being written.

        Args:
            key: its key. A voice that is stored already needs no additional space.

        Raises:
            StoreFull: the limit is reached.
        """
        with self._lock:
            self._check(key)
            self._reserved[key] += 1
        try:
            yield
        finally:
            with self._lock:
                self._reserved -= Counter([key])

    def _check(self, key: str) -> None:
        parts = [(description, set(stored())) for description, stored in self._parts]
        taken = set(self._reserved).union(*(keys for _, keys in parts))
        if key in taken or len(taken) < self._limit:
            return
        detail = ", ".join(f"{len(keys)} {description}" for description, keys in parts if keys)
        raise StoreFull(
            "voices",
            f"{len(taken)} voices are stored{f' ({detail})' if len(parts) > 1 and detail else ''}"
            f" and the limit is {self._limit}; delete one, or start the server with a larger"
            " --max-stored-voices",
        )
