"""The sliding windows of the coarse stage: which tokens each reads, and when it may run. Pure
arithmetic.

A window runs as soon as everything it reads is known, so that a stream makes the very tokens that
offline generation makes. Source: transformers BarkCoarseModel.preprocess_histories and generate.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from barkserve.checkpoint.bark_config import BarkConfig

Tokens = NDArray[np.int64]


@dataclass(frozen=True)
class CoarseGeometry:
    """The numbers of a checkpoint that windows are made of."""

    ratio: float  # coarse tokens a semantic token, 3.006 for Suno's
    codebooks: int
    codebook_size: int
    semantic_vocab_size: int
    pad_token: int
    infer_token: int
    max_input: int  # semantic tokens a window reads
    max_history: int  # coarse tokens a window reads
    window: int  # tokens a window makes

    @classmethod
    def from_config(cls, config: BarkConfig) -> "CoarseGeometry":
        """The geometry of a checkpoint."""
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
        """Semantic tokens that last as long as max_history coarse tokens: 209 for Suno's."""
        return math.floor(self.max_history / self.ratio)

    def total(self, semantic_count: int) -> int:
        """Coarse tokens for an utterance of so many semantic tokens; float32 as in the
        reference.
        """
        frames = np.floor(
            np.float32(semantic_count) * np.float32(self.ratio) / np.float32(self.codebooks)
        )
        return int(frames) * self.codebooks


@dataclass(frozen=True)
class CoarseHistory:
    """A voice, cut and flattened for the coarse model: (s,) semantic tokens and (c,) coarse
    tokens.
    """

    semantic: Tokens
    coarse: Tokens


def no_history() -> CoarseHistory:
    """No voice."""
    return CoarseHistory(np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64))


def cut_history(
    semantic_prompt: Tokens, coarse_prompt: Tokens, geometry: CoarseGeometry
) -> CoarseHistory:
    """The part of a voice that windows read. transformers BarkCoarseModel.preprocess_histories.

    Args:
        semantic_prompt: (n,) semantic tokens, n >= 2.
        coarse_prompt: (m, codebooks) codes, long enough for two semantic tokens.
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
    """One utterance: takes semantic tokens in, says when a window may run and with what prompt."""

    def __init__(self, geometry: CoarseGeometry, history: CoarseHistory) -> None:
        self._geometry = geometry
        self._history = history
        self._semantic = list(map(int, history.semantic))
        self._ended = False

    @property
    def semantic_count(self) -> int:
        """Semantic tokens of the utterance that are known."""
        return len(self._semantic) - len(self._history.semantic)

    @property
    def total(self) -> int:
        """Coarse tokens that the known semantic tokens are worth; all of the utterance's once it
        ended.
        """
        return self._geometry.total(self.semantic_count)

    def push(self, tokens: list[int]) -> None:
        """More semantic tokens are known."""
        assert not self._ended
        self._semantic += tokens

    def end(self) -> None:
        """The utterance has no more semantic tokens."""
        self._ended = True

    def complete(self, made: int) -> bool:
        """Whether no window is left after `made` coarse tokens."""
        return self._ended and made >= self.total

    def ready(self, made: int) -> bool:
        """Whether the window that starts after `made` coarse tokens reads nothing that is still to
        come.
        """
        if self._ended:
            return made < self.total
        reads_to = self._start(made) + self._geometry.max_input
        return len(self._semantic) >= reads_to and self.total >= made + self._geometry.window

    def length(self, made: int) -> int:
        """Tokens that the window makes."""
        return min(self._geometry.window, self.total - made)

    def prompt(self, made: Tokens) -> Tokens:
        """What the window that starts after these coarse tokens reads.

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
