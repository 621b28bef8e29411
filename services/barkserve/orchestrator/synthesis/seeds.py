"""Derives each segment's seed from the request's seed."""

import hashlib


def segment_seed(seed: int, index: int, redraw: int = 0) -> int:
    """Return the seed for one attempt at a segment.

    Args:
        seed: the request's.
        index: the segment's, from 0. The first attempt at the first segment has the request's seed.
        redraw: how often the segment has been drawn before.

    Returns:
        0 to 2^63 - 1.
    """
    if index == 0 and redraw == 0:
        return seed
    digest = hashlib.sha256(f"{seed} {index} {redraw}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1
