"""Markdown: CommonMark, and GitHub's tables and strikethrough, as a person would read it aloud.

Each construct is decided by the text from its first character on, at most MAX_CHARACTERS of it. It
waits until it is decided, so the items do not depend on how the text arrives. Everything else is
text. Other parsers keep the lines of a construct but not its characters, and need all lines.
"""

import re
from collections.abc import Iterable

from barkserve.orchestrator.text.markup.items import Item, Warn
from barkserve.orchestrator.text.markup.markdown.emphasis import Emphasis
from barkserve.orchestrator.text.markup.markdown.inline import Inline
from barkserve.orchestrator.text.markup.markdown.lines import Lines
from barkserve.orchestrator.text.markup.markdown.source import Source

_EARLY = re.compile(r"[^\W_]*(?:['’-][^\W_]+)*[.,;:!?…)\"'’]*")


class Markdown:
    """Reads Markdown.

    Args:
        warn: called for markup that has no effect.
        sure: whether only signs that are hardly ever text are markup.
        position: where the text begins in the client's text.

    Attributes:
        may_fail: no text is wrong.
    """

    may_fail = False

    def __init__(self, warn: Warn, *, sure: bool = False, position: int = 0) -> None:
        self._source = Source(position)
        emphasis = Emphasis(self._source)
        self._lines = Lines(self._source, emphasis, sure)
        self._inline = Inline(self._source, self._lines, emphasis, warn, sure=sure)

    @property
    def language(self) -> str:
        """BCP 47 code of the text; addresses are read in it."""
        return self._inline.language

    @language.setter
    def language(self, code: str) -> None:
        self._inline.language = code

    def push(self, text: str) -> Iterable[Item]:
        """Add text; return the items that are decided."""
        self._source.push(text)
        return self._read()

    def flush(self) -> Iterable[Item]:
        """Return the items of all text so far."""
        self._source.set_final(True)
        items = self._read()
        self._source.set_final(False)
        return items

    def early(self) -> Iterable[Item]:
        """Return text that waits only because an address may follow."""
        waiting = self._source.rest
        if not self._lines.in_code and not self._lines.at_start and _EARLY.fullmatch(waiting):
            self._source.speak(len(waiting))
        return self._read()

    def end(self) -> Iterable[Item]:
        """End the text; return its last items."""
        return self.flush()

    @property
    def waiting(self) -> bool:
        """Whether text is held until more arrives."""
        return self._source.waiting

    def _read(self) -> Iterable[Item]:
        while self._source.waiting and self._step():
            pass
        return self._source.taken()

    def _step(self) -> bool:
        """Read the next construct, or some text; False if more text is needed."""
        if self._source.drop():
            return True
        ahead, final = self._source.ahead()
        if self._lines.in_code:
            return self._lines.code(ahead, final)
        if self._lines.at_start:
            return self._lines.start(ahead, final)
        return self._inline.read(ahead, final)
