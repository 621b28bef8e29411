"""Aligns tokens with text positions, using the attention of one head during generation.

Speech reads a text from left to right. So the alignment is the most likely monotonic path (Viterbi,
as whisper aligns its words).
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

FLOOR = 1e-3
"""Added to the attention, so that a few rows without any cannot outweigh all rows before."""

MAX_ADVANCE = 3
"""Most positions per token: 20 ms of speech contain no more letters."""

BEAM = 30.0
"""A path is dropped if its likelihood is below exp(-30) of the best one's."""

MAX_PENDING = 100
"""Most tokens without a decision: 2 s of speech."""

Positions = NDArray[np.int64]
Attention = NDArray[np.float32]


def advance(scores: NDArray[np.float64], attention: Attention) -> NDArray[np.int8]:
    """Extend all paths by one token, in place.

    Args:
        scores: (..., n) log-likelihood of the best path that ends at each position.
        attention: (..., n) attention row of the token.

    Returns:
        (..., n): how many positions each best path advanced.
    """
    moved = np.full((MAX_ADVANCE + 1, *scores.shape), -np.inf)
    for on in range(min(MAX_ADVANCE + 1, scores.shape[-1])):
        moved[on, ..., on:] = scores[..., : scores.shape[-1] - on]
    moves: NDArray[np.int8] = moved.argmax(axis=0).astype(np.int8)
    scores[...] = moved.max(axis=0) + np.log(attention + FLOOR)
    return moves


def first_scores(*shape: int) -> NDArray[np.float64]:
    """Return the scores before the first token: every path is at position 0."""
    scores = np.full(shape, -np.inf)
    scores[..., 0] = 0.0
    return scores


class MonotonePath:
    """The most likely path. A position is reported when later tokens cannot change it.

    Args:
        width: number of text positions.
        max_pending: tokens after which a position is reported although it could still change. A
            flat attention must not delay all of them.
    """

    def __init__(self, width: int, max_pending: int = MAX_PENDING) -> None:
        self._scores = first_scores(width)
        self._max_pending = max_pending
        self._moves: list[NDArray[np.int8]] = []  # of undecided tokens
        self._decided: list[int] = []  # and not reported
        self._last = 0

    @property
    def position(self) -> int:
        """The last token's most likely position so far."""
        return int(self._scores.argmax())

    def push(self, attention: Attention) -> None:
        """Add the attention row of the next token, (width,)."""
        self._moves.append(advance(self._scores, attention))
        self._scores[self._scores < self._scores.max() - BEAM] = -np.inf
        if len(self._moves) > self._max_pending:
            self._decide(self._back(np.array([self.position])), 1)

    def certain(self) -> list[int]:
        """Return the positions of the next tokens on which all remaining paths agree."""
        positions = self._back(np.flatnonzero(np.isfinite(self._scores)))
        agreed = next((i for i, each in enumerate(positions) if len(each) > 1), len(positions))
        self._decide(positions, agreed)
        decided, self._decided = self._decided, []
        return decided

    def rest(self) -> list[int]:
        """Return the positions of all other tokens, after the last one."""
        self._decide(self._back(np.array([self.position])), len(self._moves))
        return self.certain()

    def _back(self, ends: Positions) -> list[Positions]:
        """List the positions of each undecided token on the paths that end at `ends`."""
        positions: list[Positions] = []
        for moves in reversed(self._moves):
            positions.append(ends)
            ends = np.unique(ends - moves[ends])
        return positions[::-1]

    def _decide(self, positions: list[Positions], count: int) -> None:
        for each in positions[:count]:
            self._last = max(self._last, int(each[0]))  # keeps an early decision monotonic
            self._decided.append(self._last)
        del self._moves[:count]


class TokenAlignment:
    """Matches an utterance's tokens with the attention rows of the alignment head.

    Args:
        width: number of text positions.
        lag: the head attends to what token t speaks while token t + lag is drawn.
        last: position of the last spoken character.
        max_tail: a last character of so many tokens is cut to a quarter, and the utterance
            ends. 0: no limit.
        max_tokens: most tokens of the utterance. Rows of later draws are ignored, so the result
            does not depend on them.
    """

    def __init__(self, width: int, lag: int, last: int, max_tail: int, max_tokens: int) -> None:
        self._path = MonotonePath(width)
        self._lag = lag
        self._last = last
        self._max_tail = max_tail
        self._max_tokens = max_tokens
        self._rows: list[Attention] = []
        self._steps = 0
        self._tokens = 0
        self._aligned = 0
        self._tail = 0
        self._limit: int | None = None

    def add_attention(self, steps: Sequence[Attention]) -> None:
        """Add the attention recorded so far.

        Args:
            steps: (1, t, width) of each step: the rows of t draws. The first row is the first
                token's. Steps that were added before are skipped.
        """
        for attention in steps[self._steps :]:
            self._rows.extend(attention[0][: self._max_tokens - len(self._rows)])
            self._steps += 1

    def push(self, count: int) -> int:
        """Add tokens; return how many of them still belong to the utterance.

        The rows of newly drawn tokens must have been added. Those of produced tokens can follow.
        """
        self._catch_up()
        for kept in range(count):
            if self.full:
                return kept
            self._tokens += 1
            self._catch_up()
        return count

    @property
    def full(self) -> bool:
        """Whether the utterance must end: the last character takes too long."""
        return self._limit is not None and self._tokens >= self._limit

    @property
    def tokens(self) -> int:
        """How many tokens were added."""
        return self._tokens

    @property
    def sendable(self) -> int:
        """How many of the tokens belong to the utterance even if its last character is cut."""
        if not self._max_tail:
            return self._tokens
        return min(self._tokens, self._aligned - self._tail + self._max_tail // 4)

    def certain(self) -> list[int]:
        """Return the positions of the next tokens that later rows cannot change."""
        return self._path.certain()

    def rest(self) -> list[int]:
        """Return the positions of all other tokens, after the last one."""
        while self._aligned < self._tokens and self._rows:
            self._align(self._rows[min(max(0, self._aligned + self._lag), len(self._rows) - 1)])
        return self._path.rest()

    def _catch_up(self) -> None:
        while self._rows and self._aligned < min(self._tokens, len(self._rows) - self._lag):
            self._align(self._rows[max(0, self._aligned + self._lag)])

    def _align(self, row: Attention) -> None:
        self._path.push(row)
        self._aligned += 1
        self._tail = self._tail + 1 if self._path.position >= self._last else 0
        if self._limit is None and 0 < self._max_tail <= self._tail:
            self._limit = self._aligned + max(
                0, self._lag
            )  # does not depend on how tokens are batched
