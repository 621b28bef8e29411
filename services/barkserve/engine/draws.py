"""Uniform numbers that can be drawn again: each is a pure function of (seed, stream, position).

The generator is Philox4x32-10 (Salmon et al., "Parallel Random Numbers: As Easy as 1, 2, 3", SC11),
counter-based, so that no draw depends on what was drawn before, beside it, or on which machine.
"""

import numpy as np
from numpy.typing import NDArray

_MULTIPLIERS = (np.uint64(0xD2511F53), np.uint64(0xCD9E8D57))
_WEYL = (0x9E3779B9, 0xBB67AE85)
_LOW = np.uint64(0xFFFFFFFF)
_HALF = np.uint64(32)
_ROUNDS = 10


def philox4x32(counter: NDArray[np.uint64], key: tuple[int, int]) -> NDArray[np.uint64]:
    """Philox4x32-10.

    Args:
        counter: (4, N) 32-bit words.
        key: two 32-bit words.

    Returns:
        (4, N) 32-bit words.
    """
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for _ in range(_ROUNDS):
        first, second = c0 * _MULTIPLIERS[0], c2 * _MULTIPLIERS[1]
        c0, c1, c2, c3 = (
            (second >> _HALF) ^ c1 ^ np.uint64(k0),
            second & _LOW,
            (first >> _HALF) ^ c3 ^ np.uint64(k1),
            first & _LOW,
        )
        k0, k1 = (k0 + _WEYL[0]) & 0xFFFFFFFF, (k1 + _WEYL[1]) & 0xFFFFFFFF
    return np.stack([c0, c1, c2, c3])


def uniforms(seed: int, stream: int, first: int, count: int) -> NDArray[np.float32]:
    """The draws of positions first, first + 1, ...

    Args:
        seed: 0 to 2**64 - 1, names all draws of an utterance.
        stream: 0 to 2**32 - 1, tells apart the stages that share a seed.
        first: the first position, 0 at least.
        count: how many.

    Returns:
        (count,) float32 in [0, 1), 24 random bits each.
    """
    positions = np.arange(first, first + count, dtype=np.uint64)
    counter = np.stack(
        [
            positions & _LOW,
            positions >> _HALF,
            np.full_like(positions, stream),
            np.zeros_like(positions),
        ]
    )
    words = philox4x32(counter, (seed & 0xFFFFFFFF, seed >> 32))[0]
    draws: NDArray[np.float32] = (words >> np.uint64(8)).astype(np.float32) * np.float32(2.0**-24)
    return draws
