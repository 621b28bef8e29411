"""Measures the age of load reports, but only while this process itself makes progress."""

STALE_AFTER_S = 2.0
"""A replica whose last load report is older than this is presumed hung."""

MAX_CHECK_GAP_S = 1.0
"""A longer time between two checks means that this process was stopped or starved itself."""


class ReportClock:
    """Judges whether reports are too old.

    After this process was stopped or starved, reports may be waiting unread. Every report is then
    given the full time again.

    Args:
        now: time.monotonic().
    """

    def __init__(self, now: float) -> None:
        self._checked_at = self._restarted_at = now

    def check(self, now: float) -> None:
        """Advance to `now`, a time.monotonic(); call this several times per second."""
        if now - self._checked_at > MAX_CHECK_GAP_S:
            self._restarted_at = now
        self._checked_at = now

    def is_stale(self, reported_at: float) -> bool:
        """Whether a report received at this time.monotonic() is too old."""
        return self._checked_at - max(reported_at, self._restarted_at) > STALE_AFTER_S
