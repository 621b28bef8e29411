"""How many streams a stage takes on at once. Beyond that it says so at once instead of letting them
wait unseen."""

from collections.abc import Iterator
from contextlib import contextmanager

from barkserve.errors import Overloaded


class Admission:
    """Counts streams.

    Args:
        capacity: streams that may be in the stage at once, those waiting for a slot included.
        retry_after_s: what to tell those who are turned away.
    """

    def __init__(self, capacity: int, retry_after_s: float = 1.0) -> None:
        self.capacity = capacity
        self.active = 0
        self._retry_after_s = retry_after_s

    @contextmanager
    def stream(self) -> Iterator[None]:
        """Hold a place for one stream. Raises Overloaded when there is none."""
        if self.active >= self.capacity:
            raise Overloaded(
                f"{self.active} streams are in this stage and {self.capacity} is its limit; "
                f"try again in {self._retry_after_s:g} s or add a replica",
                self._retry_after_s,
            )
        self.active += 1
        try:
            yield
        finally:
            self.active -= 1
