"""What the listener still has to hear, as far as the server can know: it plays what was sent, at
once and without pause. Knows no text and no stages.
"""

import asyncio


class PlayoutClock:
    """One context's player."""

    def __init__(self) -> None:
        self.changed = asyncio.Event()
        self._under_way = 0
        self._silent_from = self._now()

    def sent(self, seconds: float) -> None:
        """So much audio has been sent."""
        self._silent_from = max(self._silent_from, self._now()) + seconds

    def segment_begins(self) -> None:
        """A piece is on its way: there will be something to hear."""
        self._under_way += 1

    def segment_ends(self) -> None:
        """All that there is of a piece has been sent."""
        self._under_way -= 1
        self.changed.set()

    @property
    def lead_s(self) -> float:
        """Seconds of audio that were sent and not played yet."""
        return max(0.0, self._silent_from - self._now())

    @property
    def silent_from(self) -> float | None:
        """The event loop's time at which nothing will be left to hear; None while a piece is on its
        way.
        """
        return None if self._under_way else self._silent_from

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()
