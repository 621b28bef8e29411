"""Limits the streams that a service runs at once, and counts the audio they ask for."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass

from barkserve.errors import Overloaded


@dataclass(eq=False)
class Work:
    """The work of one stream, in seconds of audio.

    Attributes:
        given_s: audio that the stream asked for, as far as is known.
        made_s: audio made so far.
    """

    given_s: float = 0.0
    made_s: float = 0.0


class Admission:
    """Admits streams up to a limit. A stream above the limit is rejected at once, not queued.

    Args:
        capacity: streams that may run at once, including those that wait for a slot.
        retry_after_s: delay that rejected clients are told to wait before they retry.
        during: a context manager entered for each stream and exited when it ends.
        first_message_s: time that an admitted stream has to send its first messages; 0 for no
            limit.
        input_idle_s: time that a stream waits for its next input; 0 for no limit.
        checkpoint_revision: callers that name another one are refused; empty accepts all.
    """

    def __init__(
        self,
        capacity: int,
        retry_after_s: float = 1.0,
        during: Callable[[], AbstractContextManager[None]] = nullcontext,
        first_message_s: float = 0.0,
        input_idle_s: float = 0.0,
        checkpoint_revision: str = "",
    ) -> None:
        self.capacity = capacity
        self.first_message_s = first_message_s
        self.input_idle_s = input_idle_s
        self.checkpoint_revision = checkpoint_revision
        self.taken = 0  # streams admitted since the start
        self._retry_after_s = retry_after_s
        self._during = during
        self._works: set[Work] = set()
        self._made_s = 0.0

    @property
    def active(self) -> int:
        """Streams that run now."""
        return len(self._works)

    @property
    def backlog_s(self) -> float:
        """Seconds of audio asked for and not made yet."""
        return sum(max(0.0, work.given_s - work.made_s) for work in self._works)

    @property
    def made_s(self) -> float:
        """Seconds of audio made since the start."""
        return self._made_s + sum(work.made_s for work in self._works)

    @contextmanager
    def stream(self) -> Iterator[Work]:
        """Admit one stream for the duration of the block.

        Raises:
            Overloaded: the limit is reached.
        """
        if self.active >= self.capacity:
            raise Overloaded(
                f"this service runs {self.active} streams and its limit is {self.capacity}: retry "
                "later, add a replica, or raise --max-streams",
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
