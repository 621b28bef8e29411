"""Counts the samples of a stream that are lost, repeated or wrong."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.int16]

TOLERANCE = 2
"""Steps of 16 bits by which rounding may change a sample: another chunk is another sum."""

_WINDOW = 256  # samples that identify a position
_SHORTEST = 32  # fewer samples identify no position


@dataclass(frozen=True)
class Difference:
    """What distinguishes a stream from its undisturbed reference, in samples."""

    lost: int = 0
    repeated: int = 0
    wrong: int = 0

    def __add__(self, other: "Difference") -> "Difference":
        return Difference(
            self.lost + other.lost, self.repeated + other.repeated, self.wrong + other.wrong
        )


def compare(received: Samples, reference: Samples) -> Difference:
    """Compare a stream with its reference.

    Where they differ, the next window of the stream is searched in the reference. A later position
    means lost samples, an earlier one repeated samples, and none means wrong samples.

    Args:
        received: (n,) the samples of the stream.
        reference: (m,) the samples of the same request without a fault.
    """
    return _compared(received.astype(np.int32), reference.astype(np.int32))


def _compared(received: NDArray[np.int32], reference: NDArray[np.int32]) -> Difference:
    lost = repeated = wrong = at = expected = 0
    while True:
        same = _equal_length(received[at:], reference[expected:])
        at, expected = at + same, expected + same
        window = received[at : at + _WINDOW]
        if not len(window):
            break
        found = _nearest(window, reference, expected)
        if found is None:
            wrong += _wrong(window, reference[expected:])
            at, expected = at + len(window), min(expected + len(window), len(reference))
        elif found > expected:
            lost, expected = lost + found - expected, found
        else:
            repeated, expected = repeated + expected - found, found
    return Difference(lost + len(reference) - expected, repeated, wrong)


def _equal_length(left: NDArray[np.int32], right: NDArray[np.int32]) -> int:
    length = min(len(left), len(right))
    differs = np.abs(left[:length] - right[:length]) > TOLERANCE
    return int(np.argmax(differs)) if differs.any() else length


def _wrong(window: NDArray[np.int32], reference: NDArray[np.int32]) -> int:
    """Count the samples of a window that differ, those after the reference's end included."""
    length = min(len(window), len(reference))
    differs = np.abs(window[:length] - reference[:length]) > TOLERANCE
    return int(differs.sum()) + len(window) - length


def _nearest(window: NDArray[np.int32], reference: NDArray[np.int32], expected: int) -> int | None:
    """Return the position of a window in the reference that is nearest to the expected one."""
    if not _SHORTEST <= len(window) <= len(reference):
        return None
    positions = np.arange(len(reference) - len(window) + 1)
    for offset in range(len(window)):
        close = np.abs(reference[positions + offset] - window[offset]) <= TOLERANCE
        positions = positions[close]
    if not len(positions):
        return None
    return int(positions[np.argmin(np.abs(positions - expected))])
