"""The sliding windows of the coarse stage: which tokens each reads, and when it can run.

A window runs when all tokens that it reads are known. Streaming therefore generates the same tokens
as offline generation. Source: transformers BarkCoarseModel.preprocess_histories and generate.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from barkserve.checkpoint.bark_config import BarkConfig

Tokens = NDArray[np.int64]


@dataclass(frozen=True)
class CoarseGeometry:
    """A checkpoint's window sizes and vocabularies."""

    ratio: float  # coarse tokens per semantic token, 3.006 for Suno's
    codebooks: int
    codebook_size: int
    semantic_vocab_size: int
    pad_token: int
    infer_token: int
    max_input: int  # semantic tokens that a window reads
    max_history: int  # coarse tokens that a window reads
    window: int  # tokens that a window generates

    @classmethod
    def from_config(cls, config: BarkConfig) -> "CoarseGeometry":
        """Read the geometry from a checkpoint's config."""
        coarse = config.coarse_generation
        return cls(
            ratio=config.semantic_to_coarse_ratio,
            codebooks=coarse.n_coarse_codebooks,
            codebook_size=config.codebook_size,
            semantic_vocab_size=config.semantic_generation.semantic_vocab_size,
            pad_token=coarse.coarse_semantic_pad_token,
            infer_token=coarse.coarse_infer_token,
            max_input=coarse.max_coarse_input_length,
            max_history=coarse.max_coarse_history,
            window=coarse.sliding_window_len,
        )

    @property
    def max_semantic_history(self) -> int:
        """Semantic tokens as long as max_history coarse tokens: 209 for Suno's checkpoints."""
        return math.floor(self.max_history / self.ratio)

    def total(self, semantic_count: int) -> int:
        """Return the number of coarse tokens for some semantic tokens.

        Computed in float32, as in the reference.
        """
        frames = np.floor(
            np.float32(semantic_count) * np.float32(self.ratio) / np.float32(self.codebooks)
        )
        return int(frames) * self.codebooks


@dataclass(frozen=True)
class CoarseHistory:
    """A voice, cut and flattened for the coarse model.

    Attributes:
        semantic: (s,) semantic tokens.
        coarse: (c,) coarse tokens.
    """

    semantic: Tokens
    coarse: Tokens


def no_history() -> CoarseHistory:
    """Return the history of no voice."""
    return CoarseHistory(np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64))


def cut_history(
    semantic_prompt: Tokens, coarse_prompt: Tokens, geometry: CoarseGeometry
) -> CoarseHistory:
    """Cut a voice to the part that windows read.

    Source: transformers BarkCoarseModel.preprocess_histories.

    Args:
        semantic_prompt: (n,) semantic tokens, n >= 2.
        coarse_prompt: (m, codebooks) codes, long enough for two semantic tokens.
        geometry: the window sizes.
    """
    offsets = geometry.semantic_vocab_size + geometry.codebook_size * np.arange(geometry.codebooks)
    flat = (coarse_prompt + offsets).reshape(-1)
    n_semantic = min(
        geometry.max_semantic_history,
        len(semantic_prompt) - len(semantic_prompt) % 2,
        math.floor(len(flat) / geometry.ratio),
    )
    if n_semantic == 0:
        return no_history()
    n_coarse = round(n_semantic * geometry.ratio)
    return CoarseHistory(semantic_prompt[-n_semantic:], flat[-n_coarse:][:-2])


class WindowPlan:
    """The windows of one utterance: when each can run, and with what prompt."""

    def __init__(self, geometry: CoarseGeometry, history: CoarseHistory) -> None:
        self._geometry = geometry
        self._history = history
        self._semantic = list(map(int, history.semantic))
        self._ended = False

    @property
    def semantic_count(self) -> int:
        """Number of known semantic tokens of the utterance."""
        return len(self._semantic) - len(self._history.semantic)

    @property
    def total(self) -> int:
        """Number of coarse tokens for the known semantic tokens."""
        return self._geometry.total(self.semantic_count)

    def push(self, tokens: list[int]) -> None:
        """Add semantic tokens."""
        assert not self._ended
        self._semantic += tokens

    def end(self) -> None:
        """Declare the semantic tokens complete."""
        self._ended = True

    def complete(self, made: int) -> bool:
        """Return whether no window is left after `made` coarse tokens."""
        return self._ended and made >= self.total

    def ready(self, made: int) -> bool:
        """Return whether the window after `made` coarse tokens can run."""
        if self._ended:
            return made < self.total
        reads_to = self._start(made) + self._geometry.max_input
        return len(self._semantic) >= reads_to and self.total >= made + self._geometry.window

    def length(self, made: int) -> int:
        """Return how many tokens the window after `made` coarse tokens generates."""
        return min(self._geometry.window, self.total - made)

    def prompt(self, made: Tokens) -> Tokens:
        """Build the prompt of the window after these coarse tokens.

        Args:
            made: (g,) all coarse tokens of the utterance so far, g a multiple of the window.

        Returns:
            (n,) int64: max_input semantic tokens, padded; the infer token; the last max_history
            coarse tokens.
        """
        geometry = self._geometry
        start = self._start(len(made))
        semantic = np.array(self._semantic[start : start + geometry.max_input], dtype=np.int64)
        padding = np.full(geometry.max_input - len(semantic), geometry.pad_token, dtype=np.int64)
        past = np.concatenate([self._history.coarse, made])[-geometry.max_history :]
        return np.concatenate([semantic, padding, [geometry.infer_token], past]).astype(np.int64)

    def _start(self, made: int) -> int:
        index = len(self._history.semantic) + round(made / self._geometry.ratio)
        return max(0, index - self._geometry.max_semantic_history)
