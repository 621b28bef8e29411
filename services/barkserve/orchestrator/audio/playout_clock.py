"""Estimates how much audio a real-time player still has to play.

The server cannot see the player. It assumes that playback starts with the first chunk and never
pauses.
"""

import asyncio


class PlayoutClock:
    """The player of one session. Times are those of the running event loop.

    Attributes:
        silence_s: seconds that it waited for audio of text that it already had.
    """

    def __init__(self) -> None:
        self.silence_s = 0.0
        self._playing = False
        self._segments = 0  # being synthesized
        self._underrun_at = self._now()

    def sent(self, seconds: float) -> None:
        """Count audio that was sent to the client."""
        now = self._now()
        if self._playing:
            self.silence_s += max(0.0, now - self._underrun_at)
        self._playing = True
        self._underrun_at = max(self._underrun_at, now) + seconds

    def segment_started(self) -> None:
        """Count a segment whose audio is still to be sent."""
        if not self._segments and not self.lead_s:
            self._playing = False  # all text has been played: the player starts again
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
