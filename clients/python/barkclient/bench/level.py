"""One step of a benchmark: how hard the server is pressed, and when that ends."""

from dataclasses import dataclass
from typing import Literal

Loop = Literal["closed", "open"]


@dataclass(frozen=True)
class Level:
    """A load; it ends after `count` streams or after `duration_s`, one of which is set.

    Streams that run at the end of `duration_s` are heard to their end.
    """

    loop: Loop
    load: float  # closed: streams at once; open: streams begun a second, on average
    count: int | None = None  # streams
    duration_s: float | None = None

    @property
    def name(self) -> str:
        """The level for a person."""
        return f"{self.load:g} at once" if self.loop == "closed" else f"{self.load:g} a second"
