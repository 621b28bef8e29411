"""Finds the semantic token at which the speech reaches each mark of a segment."""

from collections.abc import Sequence
from dataclasses import dataclass

from barkserve.orchestrator.text.markup.items import Mark


@dataclass(frozen=True)
class TimedMark:
    """A mark and the first token of the text after it."""

    mark: Mark
    token: int


class MarkTimer:
    """Returns each mark of a segment as soon as it is reached.

    Args:
        marks: each with the character that follows it, in order.
    """

    def __init__(self, marks: Sequence[tuple[int, Mark]]) -> None:
        self._marks = marks
        self._next = 0
        self._token = 0

    def push(self, characters: Sequence[int]) -> list[TimedMark]:
        """Add the characters of the next tokens; return the marks that are reached.

        Args:
            characters: for each token, the index of its character in the segment, in ascending
                order.
        """
        found = []
        for character in characters:
            while self._next < len(self._marks) and self._marks[self._next][0] <= character:
                found.append(self._timed())
            self._token += 1
        return found

    def rest(self) -> list[TimedMark]:
        """End the segment; return the marks after its last word."""
        return [self._timed() for _ in self._marks[self._next :]]

    def _timed(self) -> TimedMark:
        mark = self._marks[self._next][1]
        self._next += 1
        return TimedMark(mark, self._token)
