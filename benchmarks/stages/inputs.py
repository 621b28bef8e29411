"""Inputs of the compared work, the same for barkserve and transformers."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Codes = NDArray[np.int64]

TEXT = np.arange(20, dtype=np.int64)
"""Ids of the tokenizer."""

_VOICE_FRAMES = 600  # longer than the window of every stage
_CODEBOOKS = 8
_CODES = 1024


@dataclass(frozen=True)
class Voice:
    """A voice of random tokens, long enough to fill the window of every stage.

    Attributes:
        semantic: (n,) semantic tokens.
        fine: (m, 8) codes; the first two codebooks are the coarse ones.
    """

    semantic: Codes
    fine: Codes

    @classmethod
    def random(cls) -> "Voice":
        """Return the same voice every time."""
        draw = np.random.default_rng(7)
        semantic = draw.integers(0, 10_000, _VOICE_FRAMES * 2 // 3)
        return cls(semantic, draw.integers(0, _CODES, (_VOICE_FRAMES, _CODEBOOKS)))

    @classmethod
    def none(cls) -> "Voice":
        """Return the empty voice."""
        return cls(np.empty(0, dtype=np.int64), np.empty((0, _CODEBOOKS), dtype=np.int64))


def semantic_tokens(count: int) -> list[int]:
    """Return the input of the coarse stage."""
    return [(7 * index) % 10_000 for index in range(count)]


def codes(frames: int, codebooks: int) -> Codes:
    """Return (frames, codebooks) codes, the input of the fine stage or of the codec."""
    return np.arange(codebooks * frames, dtype=np.int64).reshape(-1, codebooks) % _CODES
