"""A level of a benchmark: a load and when it ends."""

from dataclasses import dataclass
from typing import Literal

Loop = Literal["closed", "open"]


@dataclass(frozen=True)
class Level:
    """A load that ends after `count` streams or after `duration_s`. One of them is set.

    Streams that are running at the end of `duration_s` are completed.
    """

    loop: Loop
    load: float  # closed loop: streams at once; open loop: mean arrivals per second
    count: int | None = None  # streams
    duration_s: float | None = None

    @property
    def name(self) -> str:
        """Name of the level in tables and messages."""
        return f"{self.load:g} at once" if self.loop == "closed" else f"{self.load:g} per second"
