"""Finds the semantic tokens of each word from the character that each token speaks."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from barkserve.orchestrator.text.words import Word


@dataclass(frozen=True)
class TimedWord:
    """A word and its range of semantic tokens, which is empty if the speech skipped the word."""

    word: Word
    first_token: int
    end_token: int


class WordTimer:
    """Returns each word of a segment as soon as its end is known.

    Args:
        words: the words of the segment, in order.
    """

    def __init__(self, words: Sequence[Word]) -> None:
        self._words = words
        self._next = 0  # index of the word that is being spoken, or of the next one
        self._first: int | None = None  # first token of the word that is being spoken
        self._token = 0

    def push(self, characters: Sequence[int]) -> list[TimedWord]:
        """Add the characters of the next tokens; return the words that have ended.

        Args:
            characters: for each token, the index of its character in the segment, in ascending
                order.
        """
        return [word for character in characters for word in self._push(character)]

    def rest(self) -> list[TimedWord]:
        """End the segment; return the word that was being spoken, if any."""
        return [] if self._first is None else [self._end()]

    @property
    def tokens(self) -> int:
        """The number of tokens so far."""
        return self._token

    def _push(self, character: int) -> Iterator[TimedWord]:
        while self._next < len(self._words) and self._words[self._next].end <= character:
            yield self._end()
        inside = self._next < len(self._words) and self._words[self._next].start <= character
        if inside and self._first is None:
            self._first = self._token
        elif not inside and self._first is not None:
            yield self._end()
        self._token += 1

    def _end(self) -> TimedWord:
        first = self._token if self._first is None else self._first
        word = TimedWord(self._words[self._next], first, self._token)
        self._next += 1
        self._first = None
        return word
