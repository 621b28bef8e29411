"""Estimates how much audio a real-time player still has to play.

The server cannot see the player. It assumes that playback starts with the first chunk and never
pauses.
"""

import asyncio


class PlayoutClock:
    """The player of one session. Times are those of the running event loop."""

    def __init__(self) -> None:
        self._segments = 0  # being synthesized
        self._underrun_at = self._now()

    def sent(self, seconds: float) -> None:
        """Count audio that was sent to the client."""
        self._underrun_at = max(self._underrun_at, self._now()) + seconds

    def segment_started(self) -> None:
        """Count a segment whose audio is still to be sent."""
        self._segments += 1

    def segment_ended(self) -> None:
        """Count a segment whose audio has all been sent."""
        self._segments -= 1

    @property
    def lead_s(self) -> float:
        """Seconds of audio that were sent and not played yet."""
        return max(0.0, self._underrun_at - self._now())

    def underrun_at(self) -> float | None:
        """Return the time at which all audio has been played.

        None while a segment is synthesized.
        """
        return None if self._segments else self._underrun_at

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()
