"""What callers may use at once and per minute: streams and characters."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from barkserve.errors import InvalidArgument, Overloaded
from barkserve.serving.auth.rates import CallerRates
from barkserve.serving.caller import current_caller

_RETRY_STREAM_S = 1.0
_MINUTE_S = 60.0


class CallerQuotas:
    """Counts the streams and the characters of each caller, by its name, in this process."""

    def __init__(self) -> None:
        self._streams: Counter[str] = Counter()
        self._characters = CallerRates()

    @contextmanager
    def stream(self) -> Iterator[None]:
        """Count a stream of the current caller for the duration of the block.

        Raises:
            Overloaded: the caller has as many streams as it may.
        """
        caller = current_caller()
        most = caller.limits.streams
        if most is not None and self._streams[caller.name] >= most:
            raise Overloaded(
                f"{caller.name} has {most} streams, which is its limit: retry when one has ended",
                _RETRY_STREAM_S,
                "caller_streams",
            )
        self._streams[caller.name] += 1
        try:
            yield
        finally:
            self._streams[caller.name] -= 1
            if not self._streams[caller.name]:
                del self._streams[caller.name]

    def count_characters(self, count: int) -> None:
        """Count text of the current caller.

        Raises:
            Overloaded: it has used the characters of this minute.
            InvalidArgument: the text is longer than those of a whole minute.
        """
        caller = current_caller()
        most = caller.limits.characters_per_minute
        if most is None:
            return
        if count > most:
            raise InvalidArgument(
                "text",
                f"has {count} characters, and {caller.name} may send {most} per minute: send it in "
                "parts over a longer time",
            )
        wait_s = self._characters.take(caller.name, count, most / _MINUTE_S, most)
        if wait_s:
            raise Overloaded(
                f"{caller.name} has sent the {most} characters that it may send per minute: retry "
                f"in {wait_s:.1f} s",
                wait_s,
                "caller_characters",
            )
