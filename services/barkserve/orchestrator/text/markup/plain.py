"""Plain text: every character is spoken as it is."""

from collections.abc import Iterable

from barkserve.orchestrator.text.markup.items import Item, Run


class PlainText:
    """A text without markup.

    Attributes:
        may_fail: no text is wrong.
        waiting: no text is held.
        language: has no effect.
    """

    may_fail = False
    waiting = False

    def __init__(self, position: int = 0) -> None:
        self.language = ""
        self._position = position

    def push(self, text: str) -> Iterable[Item]:
        """Return the text."""
        start, self._position = self._position, self._position + len(text)
        return [Run(text, start, self._position)] if text else []

    def flush(self) -> Iterable[Item]:
        """Return nothing: no text is held."""
        return []

    def early(self) -> Iterable[Item]:
        """Return nothing: no text is held."""
        return []

    def end(self) -> Iterable[Item]:
        """Return nothing: no text is held."""
        return []
