"""How long a stream may wait for its stages. Knows no stage."""

import asyncio
import random
from collections.abc import Callable

_FIRST_PAUSE_S = 0.1
_LONGEST_PAUSE_S = 2.0


class RetryPolicy:
    """Until when to wait.

    Args:
        deadline: the event loop's time at which the client gives up, None for never.
        full_s: seconds for which a stage that is full is asked again, as of now.
    """

    def __init__(self, deadline: float | None, full_s: Callable[[], float]) -> None:
        self._deadline = deadline
        self._full_s = full_s

    def time_left(self) -> float | None:
        """Seconds until the client's deadline, None without one."""
        if self._deadline is None:
            return None
        return max(0.0, self._deadline - asyncio.get_running_loop().time())

    async def pause(self, round_: int, waited_s: float, retry_after_s: float) -> float:
        """Sleep before a full stage is asked again.

        Args:
            round_: how often all replicas have been asked.
            waited_s: seconds slept so far.
            retry_after_s: what the stage said, the most that makes sense.

        Returns:
            Seconds slept; 0 if there is no time for it.
        """
        longest = min(_LONGEST_PAUSE_S, max(retry_after_s, _FIRST_PAUSE_S))
        pause_s: float = min(longest, _FIRST_PAUSE_S * 2 ** min(round_ - 1, 9))
        pause_s *= random.uniform(0.75, 1.0)  # so that not all come back at once
        if waited_s + pause_s > self._full_s():
            return 0.0
        await asyncio.sleep(pause_s)
        return pause_s
