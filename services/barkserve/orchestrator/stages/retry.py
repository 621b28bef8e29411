"""How long a stream may wait for a stage. Knows no stage."""

import asyncio
import random
from collections.abc import Callable

_FIRST_PAUSE_S = 0.1
_MAX_PAUSE_S = 2.0


class RetryPolicy:
    """Exponential backoff with jitter, within a limit.

    Args:
        deadline: the client's deadline in the event loop's time, None for none.
        max_wait_s: returns the seconds that a stream may wait for room in all, as of now.
        lead_s: returns the seconds of audio that the listener still has, as of now.
    """

    def __init__(
        self,
        deadline: float | None,
        max_wait_s: Callable[[], float],
        lead_s: Callable[[], float],
    ) -> None:
        self.lead_s = lead_s
        self._deadline = deadline
        self._max_wait_s = max_wait_s

    def time_left(self) -> float | None:
        """Seconds until the client's deadline, None without one."""
        if self._deadline is None:
            return None
        return max(0.0, self._deadline - asyncio.get_running_loop().time())

    async def pause(self, round_: int, waited_s: float, retry_after_s: float) -> float:
        """Sleep before a stage without room is asked again.

        Args:
            round_: how often all replicas have been asked.
            waited_s: seconds slept so far.
            retry_after_s: the stage's advice; the pause is never longer.

        Returns:
            Seconds slept; 0 if the limit allows no pause.
        """
        longest = min(_MAX_PAUSE_S, max(retry_after_s, _FIRST_PAUSE_S))
        pause_s: float = min(longest, _FIRST_PAUSE_S * 2 ** min(round_ - 1, 9))
        pause_s *= random.uniform(0.75, 1.0)  # jitter spreads streams that wait together
        if waited_s + pause_s > self._max_wait_s():
            return 0.0
        await asyncio.sleep(pause_s)
        return pause_s
