"""SSML: the elements of W3C's SSML 1.1 that Bark can follow."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from barkserve.orchestrator.text.markup.items import (
    NATURAL,
    Gap,
    Item,
    Language,
    Mark,
    Pause,
    Run,
    Style,
    Warn,
)
from barkserve.orchestrator.text.markup.pauses import PARAGRAPH_GAP_S, read_break
from barkserve.orchestrator.text.markup.prosody import parse_rate, parse_volume
from barkserve.orchestrator.text.markup.say_as import is_known, say_as
from barkserve.orchestrator.text.markup.xml_events import (
    Characters,
    EndTag,
    StartTag,
    XmlReader,
)
from barkserve.orchestrator.text.phones import UnknownPhone, spell_phoneme
from barkserve.orchestrator.text.sentences import guess_language

MAX_NAME = 128
"""Characters of a mark's or voice's name."""
MAX_PHONES = 256
"""Characters of the phones of `phoneme`; the rest has no effect."""
MAX_SAID_AS = 200
"""Characters that `say-as` can read; longer text is read as it is."""

_GAPS: Mapping[str, float] = {"p": PARAGRAPH_GAP_S, "s": 0.0, "speak": 0.0}
"""Silence around an element, which ends the sentence before it."""
_REPLACED = ("sub", "say-as", "phoneme")


@dataclass
class _Element:
    """An open element.

    Attributes:
        tag: its start tag.
        style: of the text after it.
        language: of the text after it.
        runs: its text.
    """

    tag: StartTag
    style: Style
    language: str
    runs: list[Run] = field(default_factory=list)


class Ssml:
    """Reads SSML.

    Args:
        warn: called for markup that has no effect.

    Attributes:
        may_fail: the text may not be well-formed.
        waiting: no text is held, only tags.
        language: of the text outside of elements with a language.
    """

    may_fail = True
    waiting = False

    def __init__(self, warn: Warn) -> None:
        self.language = ""
        self._warn = warn
        self._xml = XmlReader()
        self._items: list[Item] = []
        self._open: list[_Element] = []
        self._style = NATURAL
        self._own_language = ""

    def push(self, text: str) -> Iterable[Item]:
        """Add text; return the items that are complete.

        Raises:
            InvalidArgument: the text is not well-formed, or an element is wrong.
        """
        return self._read(self._xml.push(text))

    def flush(self) -> Iterable[Item]:
        """Return nothing: what is held is an incomplete element."""
        return []

    def early(self) -> Iterable[Item]:
        """Return nothing: what is held is an incomplete element."""
        return []

    def end(self) -> Iterable[Item]:
        """End the text.

        Raises:
            InvalidArgument: the text is incomplete.
        """
        return self._read(self._xml.end())

    def _read(self, events: Iterable[StartTag | EndTag | Characters]) -> Iterable[Item]:
        for event in events:
            match event:
                case StartTag():
                    self._start(event)
                case EndTag():
                    self._end(event)
                case Characters(text, place):
                    blank = "".join(" " if each.isspace() else each for each in text)
                    self._add(Run(blank, place.start, place.end))
        items, self._items = self._items, []
        return items

    def _start(self, tag: StartTag) -> None:
        replaced = self._replaced
        self._open.append(_Element(tag, self._style, self._own_language))
        if replaced:
            return
        if tag.name in _GAPS:
            self._items.append(Gap(_GAPS[tag.name]))
        if (code := tag.attributes.get("xml:lang")) is not None:
            self._set_language(code)
        match tag.name:
            case "break":
                self._pause(tag)
            case "mark":
                self._items.append(Mark(self._name(tag), tag.place.start))
            case "prosody":
                self._set_prosody(tag)
            case "voice":
                self._set_voice(tag)
            case "sub" | "say-as" | "phoneme" | "lang" | "p" | "s" | "speak":
                pass
            case name:
                self._ignore(tag, f"<{name[:64]}> has no effect: only its text is spoken")

    def _end(self, tag: EndTag) -> None:
        element = self._open.pop()
        if self._replaced:
            self._open[-1].runs.extend(element.runs)
            return
        if tag.name in _REPLACED:
            self._items.extend(self._replacement(element, tag))
        self._set_style(element.style)
        self._set_language(element.language)
        if tag.name in _GAPS:
            self._items.append(Gap(_GAPS[tag.name]))

    def _add(self, run: Run) -> None:
        if self._replaced:
            self._open[-1].runs.append(run)
        else:
            self._items.append(run)

    @property
    def _replaced(self) -> bool:
        """Whether the text of an open element is replaced when it ends."""
        return any(element.tag.name in _REPLACED for element in self._open)

    def _replacement(self, element: _Element, end: EndTag) -> Iterable[Run]:
        """What is spoken for an element: its text if there is nothing else."""
        tag, runs = element.tag, element.runs
        text = "".join(run.text for run in runs)
        match tag.name:
            case "sub":
                reading = tag.attributes.get("alias")
            case "phoneme":
                reading = self._spelled(tag, text)
            case _:
                reading = self._said_as(tag, text)
        if reading is None:
            return runs
        if not reading:
            return []
        start, stop = tag.place.end, end.place.start
        if start >= stop:  # an empty element
            start, stop = tag.place.start, max(tag.place.end, end.place.end)
        return [Run(reading, start, stop)]

    def _said_as(self, tag: StartTag, text: str) -> str | None:
        kind = tag.attributes.get("interpret-as", "")
        if not is_known(kind):
            self._ignore(tag, f"interpret-as={kind[:64]!r} has no effect: its text is spoken")
            return None
        form = tag.attributes.get("format", "")
        language = self._language_of(text)
        reading = say_as(kind, form, text, language) if len(text) <= MAX_SAID_AS else None
        if reading is None:
            self._ignore(tag, f"a text is not read as {kind}: it has another form")
        return reading

    def _spelled(self, tag: StartTag, text: str) -> str | None:
        """The spelling of the phones of `phoneme`; None if its text must be spoken."""
        phones = tag.attributes.get("ph", "")
        if not _is_english(self._language_of(text)):
            self._ignore(tag, "<phoneme> has no effect: phones are spelled in English text only")
            return None
        try:
            spelling = spell_phoneme(phones[:MAX_PHONES], tag.attributes.get("alphabet", "ipa"))
        except UnknownPhone as error:
            self._ignore(tag, f"<phoneme> has no effect: {error}")
            return None
        return spelling or None

    def _language_of(self, text: str) -> str:
        return self._own_language or self.language or guess_language(text)

    def _pause(self, tag: StartTag) -> None:
        seconds = read_break(tag.attributes, lambda message: self._ignore(tag, message))
        self._items.append(Pause(seconds, tag.place.start, tag.place.end))

    def _set_prosody(self, tag: StartTag) -> None:
        style = self._style
        for name, value in tag.attributes.items():
            match name:
                case "rate" if (rate := parse_rate(value)) is not None:
                    style = replace(style, rate=rate)
                case "volume" if (gain := parse_volume(value, self._style.gain_db)) is not None:
                    style = replace(style, gain_db=gain)
                case _:
                    self._ignore(tag, f'<prosody {name[:64]}="{value[:64]}"> has no effect')
        self._set_style(style)

    def _set_voice(self, tag: StartTag) -> None:
        if "name" in tag.attributes:
            self._set_style(replace(self._style, voice=self._name(tag)))
        elif "xml:lang" not in tag.attributes:
            self._ignore(tag, "<voice> has no effect without a name")

    def _name(self, tag: StartTag) -> str:
        name = tag.attributes.get("name", "")
        if not 1 <= len(name) <= MAX_NAME:
            message = f"<{tag.name}> must have a name of 1 to {MAX_NAME} characters"
            raise self._xml.error(message, tag.place)
        return name

    def _set_style(self, style: Style) -> None:
        if style != self._style:
            self._style = style
            self._items.append(style)

    def _set_language(self, code: str) -> None:
        if code != self._own_language:
            self._own_language = code
            self._items.append(Language(code))

    def _ignore(self, tag: StartTag, message: str) -> None:
        self._warn(message, tag.place.start, tag.place.end)


def _is_english(code: str) -> bool:
    return code.replace("_", "-").split("-")[0].lower() in ("", "en")
