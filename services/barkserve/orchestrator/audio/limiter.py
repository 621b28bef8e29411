"""Holds peaks below full scale by turning the level down just before them. Knows samples and
nothing else.
"""

import numpy as np
from numpy.typing import NDArray

CEILING = 0.989
"""Highest magnitude that leaves the limiter: 0.1 dB below full scale."""
LOOK_AHEAD_S = 0.005
RELEASE_S = 0.1
"""Seconds from silence back to full level."""


class Limiter:
    """A look-ahead limiter for one stream.

    Works on blocks of LOOK_AHEAD_S, counted from the stream's start, and holds one back: the level
    at the border of two blocks is what the louder one needs, and goes in a straight line from one
    border to the next, so inside a block it is never above what the block needs. What is not too
    loud leaves as it came. Any cutting of the input gives the same samples.

    Args:
        sample_rate: samples a second.
    """

    def __init__(self, sample_rate: int) -> None:
        self._size = max(1, round(sample_rate * LOOK_AHEAD_S))
        self._rise = LOOK_AHEAD_S / RELEASE_S
        self._level: float | None = None  # at the start of the first block that is held
        self._held: NDArray[np.float32] = np.zeros(0, dtype=np.float32)

    def push(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """(n,) samples in; (m,) out, of those that came before."""
        self._held = np.concatenate((self._held, samples))
        out = []
        while len(self._held) >= 2 * self._size:
            after = self._held[self._size : 2 * self._size]
            out.append(self._leave(_needed(after)))
        return np.concatenate(out) if out else np.zeros(0, dtype=np.float32)

    def flush(self) -> NDArray[np.float32]:
        """The samples that are still held, (m,)."""
        out = [self._held[:0]]
        while len(self._held):
            out.append(self._leave(_needed(self._held[self._size :])))
        return np.concatenate(out)

    def _leave(self, needed_after: float) -> NDArray[np.float32]:
        """Take the first block, at levels that end where the next block can begin."""
        block, self._held = self._held[: self._size], self._held[self._size :]
        needed = _needed(block)
        start = needed if self._level is None else self._level
        self._level = min(needed, needed_after, start + self._rise)
        if start == self._level == 1.0:
            return block
        levels = np.linspace(start, self._level, self._size, endpoint=False, dtype=np.float32)
        return block * levels[: len(block)]


def _needed(block: NDArray[np.float32]) -> float:
    """The level at which a block's peak is no higher than CEILING."""
    peak = float(np.max(np.abs(block), initial=0.0))
    return min(1.0, CEILING / peak) if peak > CEILING else 1.0
