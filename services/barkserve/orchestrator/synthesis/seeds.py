"""The seed of each piece of a text, a function of the request's seed alone."""

import hashlib


def segment_seed(seed: int, index: int, redraw: int = 0) -> int:
    """The seed of a piece's draws.

    Args:
        seed: the request's.
        index: of the piece, from 0; the first piece has the request's own seed.
        redraw: how often the piece has been drawn before.

    Returns:
        0 to 2^63 - 1.
    """
    if index == 0 and redraw == 0:
        return seed
    digest = hashlib.sha256(f"{seed} {index} {redraw}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1
