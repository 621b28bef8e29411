"""Markdown: CommonMark, and GitHub's tables and strikethrough, as a person would read it aloud.

Each construct is decided by the text from its first character on, at most MAX_CHARACTERS of it. It
waits until it is decided, so the items do not depend on how the text arrives. Everything else is
text. Other parsers keep the lines of a construct but not its characters, and need all lines.
"""

import html
import re
from collections.abc import Callable, Iterable, Mapping

from barkserve.errors import InvalidArgument
from barkserve.orchestrator.text.markup.addresses import (
    CANDIDATE,
    EMAIL_REST,
    WEB,
    WEB_STARTS,
    spoken_address,
    without_end,
)
from barkserve.orchestrator.text.markup.items import Gap, Item, Pause, Run
from barkserve.orchestrator.text.markup.pauses import (
    LINE_GAP_S,
    PARAGRAPH_GAP_S,
    STRENGTHS,
    parse_break,
    parse_seconds,
)

MAX_CHARACTERS = 600
"""A longer construct is read as text. Fenced code and tables may have any length."""

_WORDS = re.compile(r"(?:[^\W_]{1,64}[.,;:!?'’)]{0,2}+[^\S\n]++)++")  # hold no construct
_EARLY = re.compile(r"[^\W_]*(?:['’-][^\W_]+)*[.,;:!?…)\"'’]*")
_WORD = re.compile(r"[^\W_]{1,64}")
_SPACE = re.compile(r"[^\S\n]+")
_INDENT = re.compile(r"[ \t]+")
_HEADING = re.compile(r"#{1,6}(?:[ \t]|(?=\n))")
_HEADING_END = re.compile(r"[ \t]+#+[ \t]*(?=\n)")
_QUOTE = re.compile(r">[ \t]|>(?=[>\n])")
_BULLET = re.compile(r"[-*+•][ \t]{1,4}(?:\[[ xX]\][ \t]+)?(?=\S)")
_NUMBER = re.compile(r"\d{1,9}[.)][ \t]")
_RULE = re.compile(r"([-*_=])[ \t]*(?:\1[ \t]*){2,}(?=\n)")
_FENCE = re.compile(r"(`{3,}|~{3,})[^`\n]*\n")
_TASK_START = re.compile(r"[-*+•][ \t]{1,4}(?:\[(?:[ xX](?:\][ \t]*)?)?)?")
_DEFINITION_START = re.compile(
    r"\[[^\]\n]{0,100}(?:\](?::[ \t]*(?:<?(?:h(?:t(?:t(?:p[^\n]*)?)?)?|[/#][^\n]*)?)?)?)?"
)
_DEFINITION = re.compile(r"\[[^\]\n]{1,100}\]:[ \t]*<?(?:https?://|/|#)[^\n]*(?=\n)")
_TABLE_RULE = re.compile(r"[ \t]*\|?[ \t]*:?-+:?[ \t]*(?:\|[ \t]*:?-+:?[ \t]*)*\|?[ \t]*")
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
_ENTITY = re.compile(r"&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[a-zA-Z][a-zA-Z0-9]{1,31});")
_ENTITY_START = re.compile(r"&(?:#?[a-zA-Z0-9]{0,31})?")
_ESCAPABLE = "\\`*_{}[]()#+-.!|~<>\"'"
_SURELY_ESCAPED = "`*_[]#|~"
_PAUSES_S: Mapping[str | None, float] = {
    None: STRENGTHS["strong"], "short": STRENGTHS["medium"], "long": STRENGTHS["x-strong"],
}  # fmt: skip


class Markdown:
    """Reads Markdown.

    Args:
        sure: whether only signs that are hardly ever text are markup.
        position: where the text begins in the client's text.

    Attributes:
        may_fail: a text that asks for a pause that is too long is spoken up to there.
        language: BCP 47 code; addresses are read in it.
    """

    may_fail = False

    def __init__(self, *, sure: bool = False, position: int = 0) -> None:
        self.language = ""
        self._sure = sure
        self._items: list[Item] = []
        self._text = ""
        self._next = 0  # index in the text: what is before it was read
        self._origin = position  # of the first character of the text
        self._final = False  # whether all of the text must be read now
        self._before = "\n"  # the character before the next one
        self._at_line_start = True
        self._gap_s = 0.0  # silence after the line
        self._in_heading = False
        self._fence = ""  # of the code that is read
        self._in_paragraph = False  # whether the last line was text that the next continues
        self._in_table = False
        self._in_cell = False  # whether the row had text since the last cell's end
        self._emphasis: list[str] = []  # signs that are open
        self._dropped: dict[int, int] = {}  # position of what is not spoken, and its length

    def push(self, text: str) -> Iterable[Item]:
        """Add text; return the items that are decided.

        Raises:
            InvalidArgument: a pause is too long.
        """
        self._text = self._text[self._next :] + text
        self._origin, self._next = self._origin + self._next, 0
        return self._read()

    def flush(self) -> Iterable[Item]:
        """Return the items of all text so far."""
        self._final = True
        items = self._read()
        self._final = False
        return items

    def early(self) -> Iterable[Item]:
        """Return text that waits only because an address may follow."""
        waiting = self._text[self._next :]
        if not self._fence and not self._at_line_start and _EARLY.fullmatch(waiting):
            self._speak(len(waiting))
        return self._read()

    def end(self) -> Iterable[Item]:
        """End the text; return its last items."""
        return self.flush()

    @property
    def waiting(self) -> bool:
        """Whether text is held until more arrives."""
        return self._next < len(self._text)

    def _read(self) -> Iterable[Item]:
        while self._next < len(self._text) and self._step():
            pass
        items, self._items = self._items, []
        return items

    def _step(self) -> bool:
        """Read the next construct, or some text; False if more text is needed."""
        if length := self._dropped.pop(self._origin + self._next, 0):
            self._skip(length)
            return True
        ahead = self._text[self._next : self._next + MAX_CHARACTERS]
        final = self._final or len(ahead) == MAX_CHARACTERS
        if self._fence:
            return self._code_line(ahead, final)
        if self._at_line_start:
            return self._line_start(ahead, final)
        plain = not (self._in_heading or self._in_table)
        if plain and (words := _WORDS.match(ahead)):
            self._speak(words.end())
            return True
        return self._inline(ahead, final)

    # Lines

    def _line_start(self, ahead: str, final: bool) -> bool:
        """Read what marks a line as a heading, an item of a list and so on."""
        if indent := _INDENT.match(ahead):
            self._speak(indent.end())
            return True
        line = ahead if "\n" in ahead else ahead + "\n" if final else ahead
        undecided = "\n" not in line
        match ahead[0]:
            case "#":
                if undecided and not ahead.strip("#"):
                    return False
                if heading := _HEADING.match(line):
                    return self._begin_block(min(heading.end(), len(ahead)), PARAGRAPH_GAP_S)
            case ">":
                if undecided and len(ahead) == 1:
                    return False
                if quote := _QUOTE.match(line):
                    self._skip(quote.end())
                    return True
            case "`" | "~":
                if undecided and (len(ahead) < 3 or ahead[:3] in ("```", "~~~")):
                    return False
                if fence := _FENCE.match(line):
                    self._fence = fence[1]
                    self._items.append(Gap(LINE_GAP_S))
                    self._skip(min(fence.end(), len(ahead)))
                    return True
            case "|":
                return self._row_start(ahead, final)
            case "[":
                if undecided and _DEFINITION_START.fullmatch(ahead):
                    return False
                if definition := _DEFINITION.match(line):
                    self._skip(min(definition.end(), len(ahead)))
                    self._at_line_start = False
                    return True
            case "-" | "*" | "+" | "_" | "=" | "•":
                return self._rule_or_bullet(ahead, line, undecided)
            case "0" | "1" | "2" | "3" | "4" | "5" | "6" | "7" | "8" | "9":
                if undecided and re.fullmatch(r"\d{1,9}[.)]?", ahead):
                    return False
                number = _NUMBER.match(line)
                if number and (not self._in_paragraph or number[0][:-2] == "1"):
                    self._begin_block(0, LINE_GAP_S)
                    self._speak(min(number.end(), len(ahead)))
                    return True
        self._begin_text()
        return True

    def _rule_or_bullet(self, ahead: str, line: str, undecided: bool) -> bool:
        sign = ahead[0]
        if undecided and not ahead.strip(sign + " \t"):
            return False
        if rule := _RULE.match(line):
            self._items.append(Gap(PARAGRAPH_GAP_S))
            self._skip(min(rule.end(), len(ahead)))
            self._at_line_start = False
            return True
        if undecided and _TASK_START.fullmatch(ahead):
            return False
        bullet = _BULLET.match(line)
        if bullet and not (self._sure and (sign == "+" or ahead[bullet.end()].isdecimal())):
            return self._begin_block(bullet.end(), LINE_GAP_S)
        self._begin_text()
        return True

    def _row_start(self, ahead: str, final: bool) -> bool:
        """Read the start of a table's row, or its rule. Its first row needs the rule after it."""
        line, _, rest = ahead.partition("\n")
        open_end = not final and "\n" not in rest
        if not self._in_table:
            if open_end and ("\n" not in ahead or not rest.strip(" \t|:-")):
                return False
            self._in_table = "-" in rest and bool(_TABLE_RULE.fullmatch(rest.partition("\n")[0]))
            if not self._in_table:
                self._begin_text()
                return True
        if not final and "\n" not in ahead and not line.strip(" \t|:-"):
            return False
        if "-" in line and _TABLE_RULE.fullmatch(line):
            self._skip(len(line))
            self._at_line_start = False
            return True
        self._in_cell = False
        return self._begin_block(1, LINE_GAP_S)

    def _begin_block(self, length: int, gap_s: float) -> bool:
        """Begin a line of its own after a sign of this length."""
        self._items.append(Gap(LINE_GAP_S))
        self._in_heading = self._text[self._next] == "#"
        self._in_table = self._in_table and self._text[self._next] == "|"
        self._in_paragraph = False
        self._skip(length)
        self._gap_s = gap_s
        self._emphasis.clear()
        self._at_line_start = False
        return True

    def _begin_text(self) -> None:
        self._in_table = False
        self._in_paragraph = self._text[self._next] != "\n"
        self._at_line_start = False

    def _end_line(self) -> bool:
        if self._before == "\n":
            self._emphasis.clear()  # a paragraph has ended
        self._speak(1)
        if self._gap_s:
            self._items.append(Gap(self._gap_s))
        self._gap_s, self._in_heading, self._at_line_start = 0.0, False, True
        return True

    def _code_line(self, ahead: str, final: bool) -> bool:
        """Read the end of a fence, or code up to the end of its line."""
        if self._at_line_start:
            line, end, _ = ahead.partition("\n")
            if not end and not final and not line.strip().strip(self._fence[0]):
                return False
            if line.strip().startswith(self._fence) and not line.strip().strip(self._fence[0]):
                self._fence = ""
                self._items.append(Gap(LINE_GAP_S))
                self._skip(len(line))
                self._at_line_start = False
                return True
        self._at_line_start = False
        length = ahead.find("\n")
        self._speak(len(ahead) if length < 0 else length)
        if length >= 0:
            self._gap_s = LINE_GAP_S
            self._end_line()
        return True

    # Inside of lines

    def _inline(self, ahead: str, final: bool) -> bool:
        sign = ahead[0]
        if sign == "\n":
            return self._end_line()
        if sign.isspace():
            return self._space(ahead, final)
        if sign.isalnum():
            return self._word(ahead, final)
        if sign in "@._+-" and self._before.isalnum():
            read = self._email_rest(ahead, final)
            if read is not None:
                return read
        if reader := _READERS.get(sign):
            read = reader(self, ahead, final)
            if read is not None:
                return read
        self._speak(1)
        return True

    def _space(self, ahead: str, final: bool) -> bool:
        if self._in_heading:
            line = ahead + "\n" if final else ahead
            if "\n" not in line and not ahead.strip(" \t#"):
                return False
            if end := _HEADING_END.match(line):
                self._skip(min(end.end(), len(ahead)))
                return True
        space = _SPACE.match(ahead)
        assert space is not None
        if self._in_table:
            if space.end() == len(ahead) and not final:
                return False
            if ahead[space.end() : space.end() + 1] in ("|", "\n", ""):
                self._skip(space.end())
                return True
        self._speak(space.end())
        return True

    def _word(self, ahead: str, final: bool) -> bool:
        """Read a word, or a web address that begins with it."""
        start = "" if self._before.isalnum() else ahead[:8].lower()
        if start.startswith(WEB_STARTS):
            candidate = CANDIDATE.match(ahead)
            if candidate and candidate.end() == len(ahead) and not final:
                return False
            if web := WEB.match(ahead):
                return self._address(without_end(web[0]))
        elif start == ahead.lower() and not final and _begins_address(start):
            return False
        word = _WORD.match(ahead)
        assert word is not None
        self._speak(word.end())
        return True

    def _email_rest(self, ahead: str, final: bool) -> bool | None:
        """Read what follows the first word of an e-mail address; None if it is none."""
        candidate = CANDIDATE.match(ahead)
        if candidate and candidate.end() == len(ahead) and not final:
            return False
        if rest := EMAIL_REST.match(ahead):
            self._speak(rest.end(), f" {spoken_address(rest[0], self.language)}")
            return True
        return None

    def _address(self, address: str) -> bool:
        self._speak(len(address), spoken_address(address, self.language))
        return True

    def _emphasis_sign(self, ahead: str, final: bool) -> bool | None:
        """Read signs of emphasis; None if they are text."""
        sign = ahead[0]
        count = len(ahead) - len(ahead.lstrip(sign))
        if count == len(ahead) and not final:
            return False
        after = ahead[count : count + 1] or "\n"
        if (sign == "~" and count < 2) or count > 3:
            return self._literal(count)
        if self._closes(sign, count, after):
            self._skip(count)
            return True
        if not self._opens(sign, count, after):
            return self._literal(count)
        paragraph = ahead[count:].partition("\n\n")[0]
        closer = _closer(sign, count)
        if not closer.search(paragraph + ("\n" if final or "\n\n" in ahead else "")):
            if final or "\n\n" in ahead:
                return self._literal(count)
            return False
        self._emphasis.append(sign * count)
        self._skip(count)
        return True

    def _opens(self, sign: str, count: int, after: str) -> bool:
        """Whether a run of signs can begin emphasis."""
        if after.isspace():
            return False
        inside_word = self._before.isalnum() and after.isalnum()
        if inside_word and (sign == "_" or count == 1 or self._before.isdecimal()):
            return False
        return not self._before.isalnum() or after.isalnum()

    def _closes(self, sign: str, count: int, after: str) -> bool:
        """Whether a run of signs ends emphasis that is open. Ends it."""
        if self._before.isspace() or (sign == "_" and after.isalnum()):
            return False
        left = count
        kept = list(self._emphasis)
        while left and kept and kept[-1][0] == sign and len(kept[-1]) <= left:
            left -= len(kept.pop())
        if left == count or left:
            return False
        self._emphasis = kept
        return True

    def _literal(self, count: int) -> bool:
        self._speak(count)
        return True

    def _code(self, ahead: str, final: bool) -> bool | None:
        """Read code between backticks."""
        signs = len(ahead) - len(ahead.lstrip("`"))
        if signs == len(ahead) and not final:
            return False
        paragraph = ahead.partition("\n\n")[0]
        whole = final or "\n\n" in ahead
        for end in re.finditer("`+", paragraph[signs:]):
            stop = signs + end.end()
            if stop == len(ahead) and not final:
                return False
            if len(end[0]) == signs:
                self._skip(signs)
                self._speak(end.start())
                self._skip(signs)
                return True
        return self._literal(signs) if whole else False

    def _bracket(self, ahead: str, final: bool) -> bool | None:
        """Read a pause, a link, an image or a footnote's sign."""
        if pause := _PAUSE.match(ahead):
            return self._pause(pause)
        link = _LINK.match(ahead) or (None if self._sure else _REFERENCE.match(ahead))
        if link:
            opening = ahead.index("[") + 1
            self._dropped[self._origin + self._next + link.end(1)] = link.end() - link.end(1)
            self._skip(opening)
            return True
        if footnote := _FOOTNOTE.match(ahead):
            if footnote.end() == len(ahead) and not final:
                return False
            self._skip(footnote.end())
            return True
        return None if final or not _may_become_link(ahead) else False

    def _pause(self, pause: re.Match[str]) -> bool:
        kind = pause[1].lower() if pause[1] else None
        seconds = _PAUSES_S[kind] if pause[2] is None else self._seconds(parse_seconds, pause[2])
        self._silence(seconds, pause.end())
        return True

    def _silence(self, seconds: float, length: int) -> None:
        start = self._origin + self._next
        self._items.append(Pause(seconds, start, start + length))
        self._skip(length)

    def _seconds(self, parse: Callable[..., float], *arguments: str | None) -> float:
        try:
            return parse(*arguments)
        except ValueError as error:
            place = self._origin + self._next
            raise InvalidArgument("text", f"character {place}: {error}") from None

    def _less_than(self, ahead: str, final: bool) -> bool | None:
        """Read a pause, an address or a tag of HTML."""
        if pause := _BREAK.match(ahead):
            attributes = dict(_ATTRIBUTE.findall(pause[1]))
            time, strength = attributes.get("time"), attributes.get("strength")
            self._silence(self._seconds(parse_break, time, strength), pause.end())
            return True
        if link := _AUTOLINK.match(ahead):
            self._skip(1)
            self._address(link[1])
            self._skip(1)
            return True
        if tag := _TAG.match(ahead):
            if _LINE_TAG.match(ahead):
                self._items.append(Gap(LINE_GAP_S))
            self._skip(tag.end())
            return True
        start = _TAG_START.match(ahead)
        return False if start and start.end() == len(ahead) and not final else None

    def _ampersand(self, ahead: str, final: bool) -> bool | None:
        """Read an entity of HTML."""
        if entity := _ENTITY.match(ahead):
            text = html.unescape(entity[0])
            if text != entity[0]:
                self._speak(entity.end(), " " if text.isspace() else text)
                return True
        start = _ENTITY_START.match(ahead)
        return False if start and start.end() == len(ahead) and not final else None

    def _backslash(self, ahead: str, final: bool) -> bool | None:
        """Read a sign that is escaped, as text."""
        if len(ahead) == 1 and not final:
            return False
        if ahead[1:2] == "\n" and not self._sure:
            self._skip(1)
            return True
        escaped = _SURELY_ESCAPED if self._sure else _ESCAPABLE
        if ahead[1:2] and ahead[1] in escaped:
            self._skip(1)
            self._speak(1)
            return True
        return None

    def _image(self, ahead: str, final: bool) -> bool | None:
        """Read an image: its alternative text."""
        if len(ahead) == 1 and not final:
            return False
        return self._bracket(ahead, final) if ahead[1:2] == "[" else None

    def _cell_end(self, ahead: str, final: bool) -> bool | None:
        """Read the end of a table's cell: a comma, unless the row ends."""
        if not self._in_table:
            return None
        rest = ahead[1:].lstrip(" \t|")
        if not rest and not final:
            return False
        if self._in_cell and rest and rest[0] != "\n":
            self._speak(1, ",")
            self._in_cell = False
        else:
            self._skip(1)
        return True

    # Text

    def _speak(self, length: int, text: str | None = None) -> None:
        """Read the next characters as text, or as another text."""
        read = self._text[self._next : self._next + length]
        start = self._origin + self._next
        if spoken := read if text is None else text:
            self._items.append(Run(spoken, start, start + length))
        self._in_cell = self._in_cell or not read.isspace()
        self._skip(length)

    def _skip(self, length: int) -> None:
        """Read the next characters without speaking them."""
        if length:
            self._before = self._text[self._next + length - 1]
            self._next += length


def _closer(sign: str, count: int) -> re.Pattern[str]:
    """What ends emphasis that such a run begins."""
    sign = re.escape(sign)
    after = r"(?![^\W_])(?!\Z)" if sign == "_" or count == 1 else r"(?!\Z)"
    return re.compile(rf"(?<![\s{sign}]){sign}{{{count},3}}(?!{sign}){after}")


def _begins_address(start: str) -> bool:
    return any(known.startswith(start) for known in WEB_STARTS)


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


_Reader = Callable[[Markdown, str, bool], bool | None]

_READERS: Mapping[str, _Reader] = {
    "*": Markdown._emphasis_sign,
    "_": Markdown._emphasis_sign,
    "~": Markdown._emphasis_sign,
    "`": Markdown._code,
    "[": Markdown._bracket,
    "!": Markdown._image,
    "<": Markdown._less_than,
    "&": Markdown._ampersand,
    "\\": Markdown._backslash,
    "|": Markdown._cell_end,
}
