"""Rates of callers: how much each of them may use per second."""

import time
from collections.abc import Callable

_MIN_PRUNED = 1024


class CallerRates:
    """Limits what each caller uses, with a token bucket for each name.

    A bucket is represented by the time at which it is full again. Full buckets are forgotten.

    Args:
        clock: returns the time in seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._full_at: dict[str, float] = {}
        self._prune_at = _MIN_PRUNED

    def take(self, name: str, amount: float, rate: float, burst: float) -> float:
        """Take an amount from the bucket of a caller, if it contains that much.

        Args:
            name: the caller's name.
            amount: what it wants to use, at most `burst`.
            rate: what it may use per second in the long run.
            burst: what a full bucket contains.

        Returns:
            0 if the amount was taken, else the seconds until the bucket contains it.
        """
        now = self._clock()
        used = max(0.0, self._full_at.get(name, now) - now) * rate
        missing = used + amount - burst
        if missing > 1e-9:
            return missing / rate
        self._full_at[name] = now + (used + amount) / rate
        if len(self._full_at) >= self._prune_at:
            self._prune(now)
        return 0.0

    def _prune(self, now: float) -> None:
        self._full_at = {name: at for name, at in self._full_at.items() if at > now}
        self._prune_at = max(_MIN_PRUNED, 2 * len(self._full_at))
