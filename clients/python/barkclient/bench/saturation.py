"""The search for the most streams at once that a server sustains. Measures nothing itself."""

_PRECISION = 32  # a bracket is narrow enough at one part in so many


class SaturationSearch:
    """Doubles until a level fails or `maximum` is reached, then halves the bracket.

    Up to 64 streams the answer is exact (as exact as the measurements are); above, within 1/32.
    """

    def __init__(self, maximum: int) -> None:
        self._maximum = maximum
        self.sustained = 0  # streams at once; the most that passed
        self.failed: int | None = None  # the least that did not

    def next(self) -> int | None:
        """The level to measure next; None when the answer is known."""
        if self.failed is None:
            if self.sustained >= self._maximum:
                return None
            return min(max(1, 2 * self.sustained), self._maximum)
        if self.failed - self.sustained <= max(1, self.sustained // _PRECISION):
            return None
        return (self.sustained + self.failed) // 2

    def add(self, concurrency: int, *, sustained: bool) -> None:
        """Takes what came of a level that `next` named."""
        if sustained:
            self.sustained = concurrency
        else:
            self.failed = concurrency

    def verdict(self) -> str:
        """The answer for a person, as far as it is known."""
        if self.failed is None and self.sustained == 0:
            return "nothing is known yet"
        if self.failed is None:
            return f"{self.sustained} streams at once are sustained; more were not tried"
        if self.sustained == 0:
            return "not even one stream at a time is sustained"
        return f"{self.sustained} streams at once are sustained, {self.failed} are not"
