"""How many streams a stage takes on at once, and how much they ask of it. Beyond that many it says
so at once instead of letting them wait unseen.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass

from barkserve.errors import Overloaded


@dataclass(eq=False)
class Work:
    """What one stream asks of the stage, in seconds of audio.

    Attributes:
        given_s: what the stage was given to make, as far as is known.
        made_s: what it has made of that.
    """

    given_s: float = 0.0
    made_s: float = 0.0


class Admission:
    """Counts streams and the audio that they are about.

    Args:
        capacity: streams that may be in the stage at once, those waiting for a slot included.
        retry_after_s: what to tell those who are turned away.
        during: entered for each stream and left when it ends.
    """

    def __init__(
        self,
        capacity: int,
        retry_after_s: float = 1.0,
        during: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> None:
        self.capacity = capacity
        self.taken = 0  # streams since the start
        self._retry_after_s = retry_after_s
        self._during = during
        self._works: set[Work] = set()
        self._made_s = 0.0

    @property
    def active(self) -> int:
        """Streams in the stage."""
        return len(self._works)

    @property
    def backlog_s(self) -> float:
        """Seconds of audio that were given to the stage and are not made yet."""
        return sum(max(0.0, work.given_s - work.made_s) for work in self._works)

    @property
    def made_s(self) -> float:
        """Seconds of audio made since the start."""
        return self._made_s + sum(work.made_s for work in self._works)

    @contextmanager
    def stream(self) -> Iterator[Work]:
        """Hold a place for one stream. Raises Overloaded when there is none."""
        if self.active >= self.capacity:
            raise Overloaded(
                f"{self.active} streams are in this service and {self.capacity} is its limit; "
                "for more at once it needs another replica",
                self._retry_after_s,
            )
        work = Work()
        self._works.add(work)
        self.taken += 1
        try:
            with self._during():
                yield work
        finally:
            self._works.remove(work)
            self._made_s += work.made_s
