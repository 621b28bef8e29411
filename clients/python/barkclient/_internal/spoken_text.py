"""Splits a text at the ends of its words and keeps every space and mark.

Integrations use it to record what was spoken before an interruption exactly as it was written.
"""

import re

from barkclient.responses import WordTime

_MARKS = re.compile(r"[^\w\s]*")


class SpokenText:
    """Takes text as it is written and returns it part by part as its words are spoken."""

    def __init__(self) -> None:
        self._text = ""
        self._position = 0

    def write(self, text: str) -> None:
        """Append text."""
        self._text += text

    def until(self, word: WordTime) -> str:
        """Return the next part of the text, up to a word and the marks that follow it."""
        marks = _MARKS.match(self._text, max(word.text_end, self._position))
        return self._advance(marks.end() if marks else len(self._text))

    def rest(self) -> str:
        """Return the text after the last word."""
        return self._advance(len(self._text))

    def _advance(self, end: int) -> str:
        part, self._position = self._text[self._position : end], end
        return part
