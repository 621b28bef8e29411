"""Measures how long something has made no progress, as seen by an observer that may stop itself."""


class StallClock:
    """Counts the time without progress in which the observer itself ran.

    A process that was stopped, starved or on a suspended computer sees a long time between two
    checks. That time says nothing about what it observes, so each check counts for two intervals
    at most.

    Args:
        interval_s: time between two checks.
        now: time.monotonic().
    """

    def __init__(self, interval_s: float, now: float) -> None:
        self._most_s = 2 * interval_s
        self._checked_at = now
        self._progress = 0
        self._still_s = 0.0

    def check(self, now: float, progress: int, *, busy: bool = True) -> float:
        """Return the seconds without progress.

        Args:
            now: time.monotonic().
            progress: a number that changes with each progress.
            busy: whether progress is due.
        """
        elapsed, self._checked_at = now - self._checked_at, now
        if progress != self._progress or not busy:
            self._progress, self._still_s = progress, 0.0
        else:
            self._still_s += min(elapsed, self._most_s)
        return self._still_s
