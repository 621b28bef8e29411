"""Reproducible uniform random numbers: a pure function of (seed, stream, position).

The generator is numpy's Philox (Philox4x64-10; Salmon et al., "Parallel Random Numbers: As Easy as
1, 2, 3", SC11). It is counter-based, so any range of positions is computed on its own.
"""

import numpy as np
from numpy.typing import NDArray

_WORDS_PER_BLOCK = 4  # 64-bit words per counter value
_BITS = 24  # that float32 holds below 1


def uniforms(seed: int, stream: int, first: int, count: int) -> NDArray[np.float32]:
    """Compute the uniform numbers of positions first, first + 1, ..., first + count - 1.

    Args:
        seed: identifies the draws of one utterance, 0 to 2**64 - 1.
        stream: separates the stages that share a seed, 0 to 2**64 - 1.
        first: the first position, 0 or more.
        count: how many positions.

    Returns:
        (count,) float32 in [0, 1), with 24 random bits each.

    Raises:
        ValueError: an argument is out of range.
    """
    if not (0 <= seed < 1 << 64 and 0 <= stream < 1 << 64 and first >= 0 and count >= 0):
        raise ValueError(
            f"uniforms({seed}, {stream}, {first}, {count}): seed and stream must be unsigned 64-bit"
            " integers, first and count at least 0"
        )
    block, skipped = divmod(first, _WORDS_PER_BLOCK)
    generator = np.random.Philox(key=seed | stream << 64, counter=block)
    words = generator.random_raw(skipped + count)[skipped:]
    draws: NDArray[np.float32] = (words >> np.uint64(64 - _BITS)).astype(np.float32)
    return draws * np.float32(2.0**-_BITS)
