"""When each word of a piece is spoken, from the character that each semantic token speaks. Knows no
samples and no messages.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from barkserve.orchestrator.text.words import Word


@dataclass(frozen=True)
class TimedWord:
    """A word, and the tokens that speak it: none, where speech passed it over."""

    word: Word
    first_token: int
    end_token: int


class WordTimer:
    """Tells words once it is known where they end.

    Args:
        words: of the piece, in order.
    """

    def __init__(self, words: Sequence[Word]) -> None:
        self._words = words
        self._next = 0  # the word that is being spoken, or comes next
        self._first: int | None = None  # its first token, once there is one
        self._token = 0

    def push(self, characters: Sequence[int]) -> list[TimedWord]:
        """The characters that the next tokens speak, never falling; returns the words that have
        ended.
        """
        return [word for character in characters for word in self._push(character)]

    def rest(self) -> list[TimedWord]:
        """The word in which speech ended, if it did."""
        return [] if self._first is None else [self._end()]

    @property
    def tokens(self) -> int:
        """How many characters have been pushed."""
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
