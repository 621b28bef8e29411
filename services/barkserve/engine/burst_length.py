"""How many decode steps run in one burst.

A short burst reports first tokens early and lets new requests join soon. A long one costs the host
less per step. Streams that have enough audio buffered can wait for their tokens.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MAX_STEPS = 8
"""Most steps for the sake of streams that can wait."""

URGENT_S = 0.1
"""A stream with less buffered audio than this gets its tokens as soon as they can be reported."""

_SHARE = 0.5  # of the buffered audio that a burst may take


@dataclass(frozen=True)
class Outlook:
    """What is left to do for the rows that decode, each (B,).

    Attributes:
        left: draws that are not launched.
        to_report: draws, not launched, until tokens can be reported, at least 1.
        report_every: number of tokens that are reported together.
        underrun_at: monotonic time, s; -inf before the first output.
    """

    left: NDArray[np.int64]
    to_report: NDArray[np.int64]
    report_every: NDArray[np.int64]
    underrun_at: NDArray[np.float64]


def burst_length(
    outlook: Outlook, now: float, step_s: float, lengths: Sequence[int] | None = None
) -> int:
    """Return the number of steps of the next burst.

    Args:
        outlook: of the rows that decode, each with draws left.
        now: monotonic time, s.
        step_s: expected duration of a step.
        lengths: the lengths to choose from, ascending; None: any.
    """
    slacks = outlook.underrun_at - now  # seconds until each stream underruns
    first = int(slacks.argmin())
    least = float(slacks[first])
    if least < URGENT_S:
        steps = int(outlook.to_report[slacks < URGENT_S].min())
    else:
        affordable = MAX_STEPS if step_s == 0.0 else int(_SHARE * least / step_s)
        next_report = int(outlook.to_report[first])
        steps = max(next_report, min(MAX_STEPS, affordable))
        if lengths is None:  # end with a report
            steps -= (steps - next_report) % int(outlook.report_every[first])
    steps = min(int(outlook.left.max()), steps)
    if lengths is None:
        return steps
    return next((length for length in lengths if length >= steps), lengths[-1])
