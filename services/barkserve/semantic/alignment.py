"""Which position of the text each token speaks, by where an attention head looks while the tokens
are drawn.

Speech reads a text from left to right, so the answer is the likeliest path that never goes back
(Viterbi, as whisper aligns its words). Knows rows of attention; knows no model and no characters.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

FLOOR = 1e-3
"""Attention below this says nothing: a head that looks away must not outweigh all it saw before."""

MOST_ON = 3
"""Positions that a token may move on at most; 20 ms hold no more letters."""

BEAM = 30.0
"""A path whose likelihood is below exp(-30) of the best one's is given up."""

MOST_PENDING = 100
"""2 s."""

Places = NDArray[np.int64]
Attention = NDArray[np.float32]


def advance(scores: NDArray[np.float64], attention: Attention) -> NDArray[np.int8]:
    """One token further, in place.

    Args:
        scores: (..., n) log-likelihood of the best path that ends at each position.
        attention: (..., n) what the token's row says.

    Returns:
        (..., n): by how many positions each path came from before.
    """
    moved = np.full((MOST_ON + 1, *scores.shape), -np.inf)
    for on in range(min(MOST_ON + 1, scores.shape[-1])):
        moved[on, ..., on:] = scores[..., : scores.shape[-1] - on]
    moves: NDArray[np.int8] = moved.argmax(axis=0).astype(np.int8)
    scores[...] = moved.max(axis=0) + np.log(attention + FLOOR)
    return moves


def first_scores(*shape: int) -> NDArray[np.float64]:
    """Before the first token every path stands at position 0."""
    scores = np.full(shape, -np.inf)
    scores[..., 0] = 0.0
    return scores


class MonotonePath:
    """The likeliest path, told as soon as no further token can change it.

    Args:
        width: positions of the text.
        most_pending: tokens after which a place is told although it might change: a head that sees
            nothing must not keep all of them waiting.
    """

    def __init__(self, width: int, most_pending: int = MOST_PENDING) -> None:
        self._scores = first_scores(width)
        self._most_pending = most_pending
        self._moves: list[NDArray[np.int8]] = []  # of the tokens that are not certain
        self._decided: list[int] = []  # and not told
        self._last = 0

    @property
    def place(self) -> int:
        """The last token's position, as it seems now."""
        return int(self._scores.argmax())

    def push(self, attention: Attention) -> None:
        """The next token's row, (width,)."""
        self._moves.append(advance(self._scores, attention))
        self._scores[self._scores < self._scores.max() - BEAM] = -np.inf
        if len(self._moves) > self._most_pending:
            self._decide(self._back(np.array([self.place])), 1)

    def certain(self) -> list[int]:
        """The places of the next tokens, as far as all paths that are left agree."""
        places = self._back(np.flatnonzero(np.isfinite(self._scores)))
        agreed = next((i for i, each in enumerate(places) if len(each) > 1), len(places))
        self._decide(places, agreed)
        told, self._decided = self._decided, []
        return told

    def rest(self) -> list[int]:
        """The places of the tokens that are left, once there are no more."""
        self._decide(self._back(np.array([self.place])), len(self._moves))
        return self.certain()

    def _back(self, ends: Places) -> list[Places]:
        """For each token that is not certain the places that paths to `ends` go through."""
        places: list[Places] = []
        for moves in reversed(self._moves):
            places.append(ends)
            ends = np.unique(ends - moves[ends])
        return places[::-1]

    def _decide(self, places: list[Places], count: int) -> None:
        for each in places[:count]:
            self._last = max(self._last, int(each[0]))  # what was decided early stays
            self._decided.append(self._last)
        del self._moves[:count]


class TokenAlignment:
    """Brings an utterance's tokens and the rows of an alignment head together.

    Args:
        width: positions of the text.
        lag: the head looks at what token t speaks while token t + lag is drawn.
        last: position of the last thing that is spoken.
        max_tail: tokens that may speak it; the utterance ends with the last of them. 0: any number.
        most: tokens that the utterance may have; no draw behind them is looked at, so that it does
            not matter whether there was one.
    """

    def __init__(self, width: int, lag: int, last: int, max_tail: int, most: int) -> None:
        self._path = MonotonePath(width)
        self._lag = lag
        self._last = last
        self._max_tail = max_tail
        self._most = most
        self._rows: list[Attention] = []
        self._seen = 0
        self._tokens = 0
        self._aligned = 0
        self._tail = 0
        self._limit: int | None = None

    def see(self, steps: Sequence[Attention]) -> None:
        """All that has been noted so far: (1, t, width) of each step, the rows of t draws, the
        first of which is the first token's. What was seen before is passed over.
        """
        for attention in steps[self._seen :]:
            self._rows.extend(attention[0][: self._most - len(self._rows)])
            self._seen += 1

    def push(self, count: int) -> int:
        """So many more tokens exist; returns how many of them still belong to the utterance.

        The rows of new tokens' draws must have been seen; those of tokens that were produced
        elsewhere may follow.
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
        """Whether the utterance has to end here."""
        return self._limit is not None and self._tokens >= self._limit

    def certain(self) -> list[int]:
        """The places of the next tokens, as far as no later row can change them."""
        return self._path.certain()

    def rest(self) -> list[int]:
        """The places of the tokens that are left, once there are no more."""
        while self._aligned < self._tokens and self._rows:
            self._align(self._rows[min(max(0, self._aligned + self._lag), len(self._rows) - 1)])
        return self._path.rest()

    def _catch_up(self) -> None:
        while self._rows and self._aligned < min(self._tokens, len(self._rows) - self._lag):
            self._align(self._rows[max(0, self._aligned + self._lag)])

    def _align(self, row: Attention) -> None:
        self._path.push(row)
        self._aligned += 1
        self._tail = self._tail + 1 if self._path.place >= self._last else 0
        if self._limit is None and 0 < self._max_tail <= self._tail:
            self._limit = self._aligned + max(0, self._lag)  # known by then, whatever the batches
