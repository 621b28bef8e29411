"""HTML inside of Markdown: tags, comments, character references, and links between < and >."""

import html
import re

from barkserve.orchestrator.text.markup.addresses import spoken_address
from barkserve.orchestrator.text.markup.items import Warn
from barkserve.orchestrator.text.markup.markdown.source import Source
from barkserve.orchestrator.text.markup.pauses import LINE_GAP_S, read_break

_BREAK = re.compile(
    r"<break((?:[ \t]+[\w-]+[ \t]*=[ \t]*(?:\"[^\"<>\n]*\"|'[^'<>\n]*'))*)[ \t]*/?>"
)
_ATTRIBUTE = re.compile(r"([\w-]+)\s*=\s*[\"']([^\"']*)[\"']")
_AUTOLINK = re.compile(r"<((?:https?://|mailto:)[^\s<>]+|[\w.+-]+@[\w.-]+)>", re.IGNORECASE)
_TAG = re.compile(
    r"</?(?:a|b|br|center|code|del|details|div|em|font|h[1-6]|hr|i|img|ins|kbd|li|mark|ol|p|pre|s"
    r"|small|span|strong|sub|summary|sup|table|tbody|td|th|thead|tr|u|ul)(?:[ \t][^<>\n]*)?/?>"
    r"|<!--.*?-->",
    re.IGNORECASE | re.DOTALL,
)
_LINE_TAG = re.compile(r"</?(?:br|div|h[1-6]|hr|li|p|tr)\b", re.IGNORECASE)
_TAG_START = re.compile(r"<(?:/?(?:[a-z][^<>\n]*+)?|!(?:-(?:-.*)?)?)", re.IGNORECASE | re.DOTALL)
_REFERENCE = re.compile(r"&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[a-zA-Z][a-zA-Z0-9]{1,31});")
_REFERENCE_START = re.compile(r"&(?:#?[a-zA-Z0-9]{0,31})?")


class HtmlTags:
    """Reads what begins with < or &.

    Args:
        source: the text.
        warn: called for a pause that is not as long as it says.
    """

    def __init__(self, source: Source, warn: Warn) -> None:
        self._source = source
        self._warn = warn

    def read(self, ahead: str, final: bool, language: str) -> bool | None:
        """Read a pause, an address or a tag; None if it is text.

        Args:
            ahead: the next characters, the first of which is <.
            final: whether they must be read without waiting for more.
            language: BCP 47 code; an address is read in it.
        """
        if pause := _BREAK.match(ahead):
            start, end = self._source.position, self._source.position + pause.end()
            attributes = dict(_ATTRIBUTE.findall(pause[1]))
            seconds = read_break(attributes, lambda message: self._warn(message, start, end))
            self._source.pause(seconds, pause.end())
            return True
        if link := _AUTOLINK.match(ahead):
            self._source.skip(1)
            self._source.speak(len(link[1]), spoken_address(link[1], language))
            self._source.skip(1)
            return True
        if tag := _TAG.match(ahead):
            if _LINE_TAG.match(ahead):
                self._source.gap(LINE_GAP_S)
            self._source.skip(tag.end())
            return True
        start_tag = _TAG_START.match(ahead)
        return False if start_tag and start_tag.end() == len(ahead) and not final else None

    def reference(self, ahead: str, final: bool) -> bool | None:
        """Read a character reference such as &amp;. None if it is text."""
        if reference := _REFERENCE.match(ahead):
            text = html.unescape(reference[0])
            if text != reference[0]:
                self._source.speak(reference.end(), " " if text.isspace() else text)
                return True
        start = _REFERENCE_START.match(ahead)
        return False if start and start.end() == len(ahead) and not final else None
