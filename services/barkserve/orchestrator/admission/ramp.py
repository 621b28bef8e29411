"""Limits how fast the number of streams grows beyond the number that ran before. Pure.

A few streams do not show what many cost: stages on the same cores slow each other down, and so do
other programs. The number therefore grows in steps, and each step is measured before the next one.
"""

import math
from dataclasses import dataclass

STEP_S = 1.5
"""Time between two steps: several load reports of every stage."""

_GROWTH = 0.25
"""A step adds this share of the streams, at least one stream."""

_AVERAGED_S = 1.0
_TOLERANCE = 0.25  # streams; the average lags behind, and streams end and begin meanwhile


@dataclass
class Ramp:
    """The most streams that have run, on average over about a second. Times are in seconds."""

    _average: float = 0.0
    _updated_at: float = 0.0
    _highest: float = 0.0

    def limit(self, running: float, now: float) -> float:
        """Return the number of streams that may run.

        Call it before each change of the number, too.

        Args:
            running: streams that have run since the last call.
            now: the time.
        """
        part = 1 - math.exp((self._updated_at - now) / _AVERAGED_S)
        self._average += (running - self._average) * part
        self._updated_at = now
        self._highest = max(self._highest, self._average)
        return self._highest + _TOLERANCE + max(1.0, self._highest * _GROWTH)
