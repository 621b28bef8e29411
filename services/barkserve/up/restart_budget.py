"""How often, and after which pause, a service is started again. Pure."""

from collections import deque

_FIRST_PAUSE_S, _MAX_PAUSE_S = 0.5, 30.0


class RestartBudget:
    """The restarts of one service.

    Args:
        limit: restarts within the window.
        window_s: length of the window, s.
    """

    def __init__(self, limit: int, window_s: float) -> None:
        self._limit = limit
        self._window_s = window_s
        self._restarts: deque[float] = deque()

    @property
    def used(self) -> int:
        """Restarts in the window that ended with the last call of `take`."""
        return len(self._restarts)

    def take(self, now: float) -> float | None:
        """Take one restart.

        Args:
            now: time.monotonic().

        Returns:
            Seconds to wait before the restart, doubled with each one in the window; None if the
            limit is reached.
        """
        while self._restarts and self._restarts[0] <= now - self._window_s:
            self._restarts.popleft()
        if self.used >= self._limit:
            return None
        pause_s = min(_MAX_PAUSE_S, _FIRST_PAUSE_S * 2.0**self.used)
        self._restarts.append(now)
        return pause_s
