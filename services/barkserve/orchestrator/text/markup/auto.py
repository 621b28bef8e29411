"""Finds out whether a text is SSML or Markdown."""

from collections.abc import Iterable

from barkserve.orchestrator.text.markup.items import Item, Markup, Warn
from barkserve.orchestrator.text.markup.markdown.markdown import Markdown
from barkserve.orchestrator.text.markup.ssml import Ssml

_STARTS = ("<speak>", "<speak ", "<speak\t", "<speak\n", "<speak\r", "<speak/", "<?xml ")
_SPACE = "\ufeff \t\r\n"
_MAX_SPACE = 1000
"""Space before the first tag of SSML. A text after more of it is Markdown, so that it is read."""


class AutoFormat:
    """Reads a text as SSML if it starts as SSML does, else as Markdown.

    Args:
        warn: called for markup that has no effect.

    Attributes:
        language: of the text.
    """

    def __init__(self, warn: Warn) -> None:
        self.language = ""
        self._warn = warn
        self._start = ""  # of the text, until its format is known
        self._markup: Markup | None = None

    @property
    def may_fail(self) -> bool:
        """Whether the text may be SSML."""
        return self._markup is None or self._markup.may_fail

    def push(self, text: str) -> Iterable[Item]:
        """Add text; return the items that are complete.

        Raises:
            InvalidArgument: it is SSML, and wrong.
        """
        if self._markup is None:
            self._start += text
            bare = self._start.lstrip(_SPACE)
            has_place = len(self._start) - len(bare) <= _MAX_SPACE
            if has_place and any(start.startswith(bare) for start in _STARTS):
                return []  # nothing but space, or the first letters
            self._decide(has_place and bare.startswith(_STARTS))
            text, self._start = self._start, ""
        assert self._markup is not None
        return self._markup.push(text)

    def flush(self) -> Iterable[Item]:
        """Return the items of all text so far, as far as they can be spoken."""
        items = self._decided()
        assert self._markup is not None
        return [*items, *self._markup.flush()]

    @property
    def waiting(self) -> bool:
        """Whether text is held until more arrives."""
        return bool(self._start.strip()) or (self._markup is not None and self._markup.waiting)

    def early(self) -> Iterable[Item]:
        """Return the items of held text that can be spoken before more arrives."""
        return [] if self._markup is None else self._markup.early()

    def end(self) -> Iterable[Item]:
        """End the text.

        Raises:
            InvalidArgument: it is SSML, and incomplete.
        """
        items = self._decided()
        assert self._markup is not None
        return [*items, *self._markup.end()]

    def _decided(self) -> Iterable[Item]:
        """Read what is held, if the format is not known yet: it is not SSML."""
        if self._markup is not None:
            return []
        self._decide(False)
        assert self._markup is not None
        text, self._start = self._start, ""
        return self._markup.push(text)

    def _decide(self, is_ssml: bool) -> None:
        self._markup = Ssml(self._warn) if is_ssml else Markdown(self._warn, sure=True)
        self._markup.language = self.language
