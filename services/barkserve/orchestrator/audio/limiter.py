"""A look-ahead limiter: keeps peaks below full scale by lowering the gain just before them."""

import numpy as np
from numpy.typing import NDArray

CEILING = 0.989
"""Highest output magnitude: 0.1 dB below full scale."""
LOOK_AHEAD_S = 0.005
RELEASE_S = 0.1
"""Seconds in which the gain returns from 0 to 1."""


class Limiter:
    """Limits one stream.

    The limiter works on blocks of LOOK_AHEAD_S, counted from the start of the stream, and holds
    back one block. Each block has a highest gain at which its peak is not above CEILING. At the
    border of two blocks, the gain is the lower of theirs; between borders it is linear. So the
    gain is never too high inside a block. Samples that are not too loud do not change. The output
    does not depend on how the input is split.

    Args:
        sample_rate: in Hz.
    """

    def __init__(self, sample_rate: int) -> None:
        self._block_size = max(1, round(sample_rate * LOOK_AHEAD_S))
        self._max_rise = LOOK_AHEAD_S / RELEASE_S  # of the gain, per block
        self._gain: float | None = None  # at the start of the first held block
        self._held: NDArray[np.float32] = np.zeros(0, dtype=np.float32)

    def push(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """Add (n,) samples; return (m,) limited samples, which lag behind the input."""
        self._held = np.concatenate((self._held, samples))
        out = []
        while len(self._held) >= 2 * self._block_size:
            following = self._held[self._block_size : 2 * self._block_size]
            out.append(self._limit_block(_max_gain(following)))
        return np.concatenate(out) if out else np.zeros(0, dtype=np.float32)

    def flush(self) -> NDArray[np.float32]:
        """Return the held samples, (m,)."""
        out = [self._held[:0]]
        while len(self._held):
            out.append(self._limit_block(_max_gain(self._held[self._block_size :])))
        return np.concatenate(out)

    def _limit_block(self, following_max_gain: float) -> NDArray[np.float32]:
        """Remove the first block and apply a gain that ends where the next block can start."""
        block, self._held = self._held[: self._block_size], self._held[self._block_size :]
        max_gain = _max_gain(block)
        start = max_gain if self._gain is None else self._gain
        self._gain = min(max_gain, following_max_gain, start + self._max_rise)
        if start == self._gain == 1.0:
            return block
        gains = np.linspace(start, self._gain, self._block_size, endpoint=False, dtype=np.float32)
        return block * gains[: len(block)]


def _max_gain(block: NDArray[np.float32]) -> float:
    """The highest gain, at most 1, at which a block's peak is not above CEILING."""
    peak = float(np.max(np.abs(block), initial=0.0))
    return min(1.0, CEILING / peak) if peak > CEILING else 1.0
