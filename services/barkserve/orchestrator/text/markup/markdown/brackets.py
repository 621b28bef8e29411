"""Brackets: links, images, footnotes and pauses."""

import re
from collections.abc import Mapping

from barkserve.orchestrator.text.markup.items import Warn
from barkserve.orchestrator.text.markup.markdown.source import Source
from barkserve.orchestrator.text.markup.pauses import STRENGTHS, read_break

_LINK = re.compile(
    r"!?\[((?:[^\[\]\n\\]|\\.|!?\[[^\[\]\n]*\](?:\([^()\s]*\))?)*+)\]"
    r"\([ \t]*(?:<[^<>()\n]*>|(?:[^()\s]|\([^()\s]*\))*+)"
    r"(?:[ \t]+(?:\"[^\"()\n]*\"|'[^'()\n]*'))?[ \t]*\)"
)
_REFERENCE = re.compile(r"!?\[((?:[^\[\]\n\\]|\\.)++)\]\[[^\[\]\n]*\]")
_LINK_END_START = re.compile(r"\((?:[^()\n]|\([^()\n]*\))*+(?:\([^()\n]*)?|\[[^\[\]\n]*|")
_FOOTNOTE = re.compile(r"\[\^[^\[\]\s]{1,64}\]:?")
_PAUSE = re.compile(
    r"\[(?:(short|long) )?pause(?:[: ] ?([\d.]{1,9} ?m?s))?\]", re.IGNORECASE | re.ASCII
)
_STRENGTHS: Mapping[str, str] = {"": "strong", "short": "medium", "long": "x-strong"}


class Brackets:
    """Reads what begins with a bracket.

    Args:
        source: the text.
        warn: called for a pause that is not as long as it says.
        sure: whether only signs that are hardly ever text are markup.
    """

    def __init__(self, source: Source, warn: Warn, sure: bool) -> None:
        self._source = source
        self._warn = warn
        self._sure = sure

    def read(self, ahead: str, final: bool) -> bool | None:
        """Read a pause, a link, an image or a footnote's sign; None if it is text."""
        if pause := _PAUSE.match(ahead):
            self._pause(pause)
            return True
        link = _LINK.match(ahead) or (None if self._sure else _REFERENCE.match(ahead))
        if link:
            self._source.drop_later(link.end(1), link.end() - link.end(1))
            self._source.skip(ahead.index("[") + 1)
            return True
        if footnote := _FOOTNOTE.match(ahead):
            if footnote.end() == len(ahead) and not final:
                return False
            self._source.skip(footnote.end())
            return True
        return None if final or not _may_become_link(ahead) else False

    def image(self, ahead: str, final: bool) -> bool | None:
        """Read an image: its alternative text. None if it is text."""
        if len(ahead) == 1 and not final:
            return False
        return self.read(ahead, final) if ahead[1:2] == "[" else None

    def _pause(self, pause: re.Match[str]) -> None:
        if pause[2] is None:
            seconds = STRENGTHS[_STRENGTHS[(pause[1] or "").lower()]]
        else:
            start = self._source.position
            seconds = read_break(
                {"time": pause[2]}, lambda message: self._warn(message, start, start + pause.end())
            )
        self._source.pause(seconds, pause.end())


def _may_become_link(ahead: str) -> bool:
    """Whether more text can turn a text that begins with a bracket into a link."""
    if "\n" in ahead:
        return False
    depth, escaped = 0, False
    for index, character in enumerate(ahead.removeprefix("!")):
        if not escaped:
            depth += (character == "[") - (character == "]")
        escaped = character == "\\" and not escaped
        if depth == 0:
            rest = ahead.removeprefix("!")[index + 1 :]
            return _LINK_END_START.fullmatch(rest) is not None
    return True
