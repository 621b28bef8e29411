"""How long a stream waits while all replicas of a stage are down. Knows no stage."""

import asyncio
import time
from collections.abc import Callable

MIN_WAIT_S = 0.2
"""Every stream waits at least this long: the resolver may not have found the replicas yet."""

_FIRST_PAUSE_S, _MAX_PAUSE_S = 0.1, 1.0


class Outage:
    """The time since a stream last had a replica that works. Made for one call.

    A stream waits up to the limit, and longer while the listener still has audio to play.

    Args:
        limit_s: seconds that a stream waits in one outage.
        lead_s: returns the seconds of audio that the listener still has, as of now.
    """

    def __init__(self, limit_s: float, lead_s: Callable[[], float]) -> None:
        self._limit_s = max(limit_s, MIN_WAIT_S)
        self._lead_s = lead_s
        self._began_at: float | None = None
        self._pause_s = _FIRST_PAUSE_S

    def left_s(self) -> float:
        """Seconds that the stream may still wait. The first call begins the outage."""
        now = time.monotonic()
        if self._began_at is None:
            self._began_at = now
        return max(self._began_at + self._limit_s - now, self._lead_s())

    async def pause(self) -> bool:
        """Sleep before replicas that failed are tried again; longer each time.

        Returns:
            False, without a sleep, if the stream may not wait any longer.
        """
        left_s = self.left_s()
        if left_s <= 0:
            return False
        await asyncio.sleep(min(left_s, self._pause_s))
        self._pause_s = min(_MAX_PAUSE_S, 2 * self._pause_s)
        return True

    def end(self) -> None:
        """End the outage: a replica works."""
        self._began_at = None
        self._pause_s = _FIRST_PAUSE_S
