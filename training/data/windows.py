"""The coarse model's windows, exactly as the reference's generate() cuts them.

Pure arithmetic on token arrays. Training uses the same windows as inference, histories included.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.config import CODEBOOK_SIZE, CoarseLayout

Tokens = NDArray[np.int64]


def flat_codes(codes: NDArray[np.generic], layout: CoarseLayout) -> Tokens:
    """Convert codes (frames, >= 2) to interleaved coarse tokens."""
    pair: Tokens = codes[:, :2].astype(np.int64) + np.array([0, CODEBOOK_SIZE])
    return pair.reshape(-1) + layout.semantic_vocab


@dataclass(frozen=True)
class Utterance:
    """Semantic and coarse tokens of an utterance."""

    semantic: Tokens
    coarse: Tokens


@dataclass(frozen=True)
class Window:
    """Input of one window, and its target tokens."""

    semantic: Tokens  # (semantic_window,)
    context: Tokens
    target: Tokens


@dataclass(frozen=True)
class Stream:
    """An utterance after a history (or none), ready to be cut into windows."""

    semantic: Tokens
    coarse: Tokens  # history, then the targets
    semantic_start: int
    coarse_start: int

    def windows(self, layout: CoarseLayout) -> int:
        return -(-(len(self.coarse) - self.coarse_start) // layout.stride)

    def window(self, index: int, layout: CoarseLayout) -> Window:
        """Return the `index`-th window."""
        produced = index * layout.stride
        at = self.semantic_start + round(produced / layout.ratio)
        first = max(0, at - layout.semantic_history)
        semantic = self.semantic[first : first + layout.semantic_window]
        pad = np.full(layout.semantic_window - len(semantic), layout.pad)
        begin = self.coarse_start + produced
        return Window(
            np.concatenate((semantic, pad)),
            self.coarse[:begin][-layout.history :],
            self.coarse[begin : begin + layout.stride],
        )


def stream(utterance: Utterance, history: Utterance | None, layout: CoarseLayout) -> Stream:
    """Put `utterance` after `history` as the reference does, which also drops 2 codes."""
    length = math.floor(len(utterance.semantic) * layout.ratio / 2) * 2
    if history is None:
        return Stream(utterance.semantic, utterance.coarse[:length], 0, 0)
    semantic_count = min(
        layout.semantic_history,
        len(history.semantic) // 2 * 2,
        math.floor(len(history.coarse) / layout.ratio),
    )
    coarse_count = round(semantic_count * layout.ratio)
    coarse = np.concatenate((history.coarse[-coarse_count:], utterance.coarse))
    return Stream(
        np.concatenate((history.semantic[-semantic_count:], utterance.semantic)),
        coarse[: coarse_count - 2 + length],
        semantic_count,
        coarse_count - 2,
    )
