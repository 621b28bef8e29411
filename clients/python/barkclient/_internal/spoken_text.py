"""A text cut where its words end, so that what has been heard can be shown or remembered as it was
written. Knows no call.
"""

import re

from barkclient.responses import WordTime

_MARKS = re.compile(r"[^\w\s]*")


class SpokenText:
    """Text goes in as it is written, words as they are timed; the parts that come out are the text,
    with every space and mark of it.
    """

    def __init__(self) -> None:
        self._text = ""
        self._told = 0

    def write(self, text: str) -> None:
        """More of the text."""
        self._text += text

    def until(self, word: WordTime) -> str:
        """What has not been told yet, up to the end of a word and the marks that follow it."""
        marks = _MARKS.match(self._text, max(word.text_end, self._told))
        return self._to(marks.end() if marks else len(self._text))

    def rest(self) -> str:
        """What is left behind the last word."""
        return self._to(len(self._text))

    def _to(self, end: int) -> str:
        part, self._told = self._text[self._told : end], end
        return part
