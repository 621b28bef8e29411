"""Search for the highest number of concurrent streams that a server sustains."""

_PRECISION = 32  # the search ends when the bracket is this fraction of the level


class SaturationSearch:
    """Doubles the level until it fails or reaches `maximum`, then bisects.

    Up to 64 streams the result is exact, given exact measurements. Above, it is within 1/32.
    """

    def __init__(self, maximum: int) -> None:
        self._maximum = maximum
        self.sustained = 0  # highest level that passed, in streams at once
        self.failed: int | None = None  # lowest level that failed

    def next(self) -> int | None:
        """Return the level to measure next, None if the search is complete."""
        if self.failed is None:
            if self.sustained >= self._maximum:
                return None
            return min(max(1, 2 * self.sustained), self._maximum)
        if self.failed - self.sustained <= max(1, self.sustained // _PRECISION):
            return None
        return (self.sustained + self.failed) // 2

    def add(self, concurrency: int, *, sustained: bool) -> None:
        """Record the result of a level that `next` returned."""
        if sustained:
            self.sustained = concurrency
        else:
            self.failed = concurrency

    def verdict(self) -> str:
        """Describe the result so far."""
        if self.failed is None and self.sustained == 0:
            return "no level was measured"
        if self.failed is None:
            return f"{self.sustained} streams at once are sustained; higher levels were not tried"
        if self.sustained == 0:
            return "a single stream is not sustained"
        return f"{self.sustained} streams at once are sustained, {self.failed} are not"
