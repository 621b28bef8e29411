"""Search for the highest load that a server sustains."""

PRECISION = 1 / 16
"""The search ends when the lowest load that failed is this share above the sustained one."""


class SaturationSearch:
    """Doubles the load until it fails, or halves it until it is sustained; then bisects.

    Args:
        first: the load to begin with.
        minimum: no lower load is tried.
        maximum: no higher load is tried.
        whole: whether loads are whole numbers (streams at once), or not (arrivals per second).

    Attributes:
        sustained: the highest load that was sustained; None: none yet.
        failed: the lowest load that was not; None: none yet.
    """

    def __init__(self, first: float, minimum: float, maximum: float, *, whole: bool) -> None:
        self._first = min(first, maximum)
        self._minimum = minimum
        self._maximum = maximum
        self._whole = whole
        self.sustained: float | None = None
        self.failed: float | None = None

    def next(self) -> float | None:
        """Return the load to measure next, None if the search is complete."""
        if self.sustained is None and self.failed is None:
            return self._first
        if self.failed is None:
            assert self.sustained is not None
            return self._above(self.sustained)
        if self.sustained is None:
            return self._below(self.failed)
        return self._between(self.sustained, self.failed)

    def add(self, load: float, *, sustained: bool) -> None:
        """Record the result of a load that `next` returned."""
        if sustained:
            self.sustained = load
        else:
            self.failed = load

    def _above(self, sustained: float) -> float | None:
        return min(2 * sustained, self._maximum) if sustained < self._maximum else None

    def _below(self, failed: float) -> float | None:
        if failed <= self._minimum:
            return None
        half = failed // 2 if self._whole else failed / 2
        return max(half, self._minimum)

    def _between(self, sustained: float, failed: float) -> float | None:
        if failed - sustained <= max(sustained * PRECISION, self._whole):
            return None
        middle = (sustained + failed) / 2
        return middle // 1 if self._whole else middle
