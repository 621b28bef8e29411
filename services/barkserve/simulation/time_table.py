"""A measured time as a function of a size. Pure."""

import bisect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True)
class TimeTable:
    """Times at some sizes, linear in between and beyond.

    Attributes:
        sizes: rising.
        seconds: one for each size.
    """

    sizes: Sequence[float]
    seconds: Sequence[float]

    @classmethod
    def of_ms(cls, milliseconds: Mapping[str, float | None]) -> Self:
        """Read {"size": milliseconds}, as it is in a profile."""
        known = sorted((float(size), ms) for size, ms in milliseconds.items() if ms is not None)
        return cls([size for size, _ in known], [ms / 1000 for _, ms in known])

    def to_ms(self) -> dict[str, float | None]:
        """Return {"size": milliseconds}."""
        pairs = zip(self.sizes, self.seconds, strict=True)
        return {f"{size:g}": round(1000 * seconds, 4) for size, seconds in pairs}

    def at(self, size: float) -> float:
        """Return the seconds for a size. Below the first size, it is the first one's."""
        if len(self.sizes) == 1 or size <= self.sizes[0]:
            return self.seconds[0]
        index = min(bisect.bisect_left(self.sizes, size), len(self.sizes) - 1)
        (low, high), (before, after) = self.sizes[index - 1 : index + 1], self._pair(index)
        return max(before, before + (after - before) * (size - low) / (high - low))

    def times(self, factor: float) -> "TimeTable":
        """Return the table of a device that is slower by a factor."""
        return TimeTable(self.sizes, [seconds * factor for seconds in self.seconds])

    def _pair(self, index: int) -> Sequence[float]:
        return self.seconds[index - 1 : index + 1]
