"""Reads XML that arrives in parts. Python's expat parses it; this module adds positions and limits.

The text is wrapped into an element of our own, so it may hold several documents, or none. A
document type inside of an element is an error, so that no entity can be declared.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from xml.parsers import expat

from barkserve.errors import InvalidArgument

MAX_DEPTH = 64
"""How deep elements may be nested."""
MAX_TOKEN_BYTES = 16_384
"""The longest tag or comment. Expat reads an incomplete one again whenever text arrives."""

_ROOT = b"<root>\n"  # the line end keeps the columns of the client's text
_TAG = re.compile(rb"<(?:[^\"'>]|\"[^\"]*\"|'[^']*')*+>")
_REFERENCE = re.compile(rb"&[^;]*;")
_DECLARATION = "<?xml"
_MAX_DECLARATION = 256  # characters


@dataclass(frozen=True)
class Place:
    """A place in the text.

    Attributes:
        start: its first position, in code points.
        end: the position after its last one.
        line: from 1.
        column: from 1.
    """

    start: int
    end: int
    line: int
    column: int


@dataclass(frozen=True)
class StartTag:
    """A start tag, or the first half of an empty element."""

    name: str
    attributes: Mapping[str, str]
    place: Place


@dataclass(frozen=True)
class EndTag:
    """An end tag, or the second half of an empty element."""

    name: str
    place: Place


@dataclass(frozen=True)
class Characters:
    """Text between two tags, or a part of it."""

    text: str
    place: Place


XmlEvent = StartTag | EndTag | Characters


class XmlReader:
    """Reads one text."""

    def __init__(self) -> None:
        self._events: list[XmlEvent] = []
        self._depth = 0
        self._in_cdata = False
        self._declaration: str | None = ""  # the start of the text, until it is decided
        self._raw = bytearray()  # from the last event on
        self._raw_byte = 0  # index of its first byte
        self._raw_position = -len(_ROOT)  # of its first byte, in code points of the text
        self._parser = parser = expat.ParserCreate("utf-8")
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._characters
        parser.StartCdataSectionHandler = lambda: self._set_cdata(True)
        parser.EndCdataSectionHandler = lambda: self._set_cdata(False)
        parser.CommentHandler = self._pass_over
        parser.ProcessingInstructionHandler = self._pass_over
        self._parse(_ROOT)

    def push(self, text: str) -> list[XmlEvent]:
        """Add text; return the events that are complete.

        Raises:
            InvalidArgument: the text is not well-formed, nested too deep, or has a tag that is too
                long.
        """
        if self._declaration is not None:
            text = self._without_declaration(text)
        self._parse(text.encode())
        if len(self._raw) > MAX_TOKEN_BYTES + len(text.encode()):
            raise self.error(f"a tag or comment must have at most {MAX_TOKEN_BYTES} bytes")
        return self._taken()

    def end(self) -> list[XmlEvent]:
        """End the text; return its last events.

        Raises:
            InvalidArgument: the text is incomplete.
        """
        if self._declaration:
            text, self._declaration = self._declaration, None
            self._parse(text.encode())
        if self._depth > 1:
            raise self.error("the text ends inside of an element")
        self._parse(b"</root>", last=True)
        return self._taken()

    def error(self, reason: str, place: Place | None = None) -> InvalidArgument:
        """An error at a place, or at the place that was read last."""
        line = place.line if place else self._line
        column = place.column if place else self._parser.CurrentColumnNumber + 1
        return InvalidArgument("text", f"SSML, line {line}, column {column}: {reason}")

    @property
    def _line(self) -> int:
        return max(1, self._parser.CurrentLineNumber - 1)

    def _parse(self, raw: bytes, *, last: bool = False) -> None:
        self._raw += raw
        try:
            self._parser.Parse(raw, last)
        except expat.ExpatError as error:
            reason = expat.ErrorString(error.code).removeprefix("not well-formed ").strip("()")
            place = Place(0, 0, max(1, error.lineno - 1), error.offset + 1)
            raise self.error(f"the text is not well-formed ({reason})", place) from None

    def _taken(self) -> list[XmlEvent]:
        events, self._events = self._events, []
        return events

    def _without_declaration(self, text: str) -> str:
        """Replace an XML declaration by spaces; return nothing until it is complete."""
        text = f"{self._declaration}{text}"
        bare = text.lstrip("\ufeff \t\r\n")
        if not bare.startswith(_DECLARATION[: len(bare)]):
            self._declaration = None
            return text.replace("\ufeff", " ", 1) if text.startswith("\ufeff") else text
        end = bare.find("?>")
        if end < 0 and len(text) < _MAX_DECLARATION:
            self._declaration = text
            return ""
        self._declaration = None
        if end < 0:
            return text
        end += len(text) - len(bare) + len("?>")
        blank = "".join(each if each in "\r\n" else " " for each in text[:end])
        return blank + text[end:]

    def _start(self, name: str, attributes: Mapping[str, str]) -> None:
        self._depth += 1
        if self._depth == 1:
            return
        if self._depth > MAX_DEPTH + 1:
            raise self.error(f"elements may be nested at most {MAX_DEPTH} deep")
        self._advance()
        self._events.append(StartTag(name, attributes, self._tag_place()))

    def _end(self, name: str) -> None:
        self._depth -= 1
        if self._depth:
            self._advance()
            self._events.append(EndTag(name, self._tag_place()))

    def _characters(self, text: str) -> None:
        self._advance()
        if self._depth == 1 and self._raw_position < 0:
            return  # the line end of the root
        length = len(text)
        if not self._in_cdata and (reference := _REFERENCE.match(self._raw)):
            length = len(reference[0])
        elif text == "\n" and self._raw.startswith(b"\r\n"):
            length = 2
        self._events.append(Characters(text, self._place(length)))

    def _set_cdata(self, inside: bool) -> None:
        self._advance()
        self._in_cdata = inside

    def _pass_over(self, *_: str) -> None:
        self._advance()

    def _advance(self) -> None:
        """Drop what was read before the event that is being handled."""
        count = self._parser.CurrentByteIndex - self._raw_byte
        self._raw_byte += count
        self._raw_position += len(self._raw[:count].decode())
        del self._raw[:count]

    def _tag_place(self) -> Place:
        tag = _TAG.match(self._raw)
        return self._place(len(tag[0].decode()) if tag else 1)

    def _place(self, length: int) -> Place:
        """The place of the event that is being handled.

        Args:
            length: in code points.
        """
        start = self._raw_position
        column = self._parser.CurrentColumnNumber + 1
        return Place(start, start + length, self._line, column)
