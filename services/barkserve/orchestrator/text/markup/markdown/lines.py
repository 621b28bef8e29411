"""What marks a line: headings, quotes, items of lists, rules, tables and fenced code."""

import re

from barkserve.orchestrator.text.markup.markdown.emphasis import Emphasis
from barkserve.orchestrator.text.markup.markdown.source import Source
from barkserve.orchestrator.text.markup.pauses import LINE_GAP_S, PARAGRAPH_GAP_S

_INDENT = re.compile(r"[ \t]+")
_SPACE = re.compile(r"[^\S\n]+")
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


class Lines:
    """Reads the starts and the ends of lines.

    Args:
        source: the text.
        emphasis: ends with its paragraph.
        sure: whether only signs that are hardly ever text are markup.

    Attributes:
        at_start: whether a line begins with the next character.
    """

    def __init__(self, source: Source, emphasis: Emphasis, sure: bool) -> None:
        self.at_start = True
        self._source = source
        self._emphasis = emphasis
        self._sure = sure
        self._gap_s = 0.0  # silence after the line
        self._in_heading = False
        self._fence = ""  # of the code that is read
        self._in_paragraph = False  # whether the last line was text that the next continues
        self._in_table = False

    @property
    def in_code(self) -> bool:
        """Whether the next character is fenced code."""
        return bool(self._fence)

    @property
    def is_text(self) -> bool:
        """Whether the line is neither a heading nor a row of a table."""
        return not (self._in_heading or self._in_table)

    def start(self, ahead: str, final: bool) -> bool:
        """Read what marks a line as a heading, an item of a list and so on."""
        if indent := _INDENT.match(ahead):
            self._source.speak(indent.end())
            return True
        line = ahead if "\n" in ahead else ahead + "\n" if final else ahead
        undecided = "\n" not in line
        match ahead[0]:
            case "#":
                read = self._heading(ahead, line, undecided)
            case ">":
                read = self._quote(ahead, line, undecided)
            case "`" | "~":
                read = self._fence_start(ahead, line, undecided)
            case "|":
                return self._row_start(ahead, final)
            case "[":
                read = self._definition(ahead, line, undecided)
            case "-" | "*" | "+" | "_" | "=" | "•":
                read = self._rule_or_bullet(ahead, line, undecided)
            case "0" | "1" | "2" | "3" | "4" | "5" | "6" | "7" | "8" | "9":
                read = self._number(ahead, line, undecided)
            case _:
                read = None
        if read is None:
            self._begin_text()
            return True
        return read

    def end(self) -> None:
        """Read the end of a line."""
        if self._source.before == "\n":
            self._emphasis.clear()  # a paragraph has ended
        self._source.speak(1)
        if self._gap_s:
            self._source.gap(self._gap_s)
        self._gap_s, self._in_heading, self.at_start = 0.0, False, True

    def space(self, ahead: str, final: bool) -> bool:
        """Read space inside of a line, and what ends a heading or a cell after it."""
        if self._in_heading:
            line = ahead + "\n" if final else ahead
            if "\n" not in line and not ahead.strip(" \t#"):
                return False
            if end := _HEADING_END.match(line):
                self._source.skip(min(end.end(), len(ahead)))
                return True
        space = _SPACE.match(ahead)
        assert space is not None
        if self._in_table:
            if space.end() == len(ahead) and not final:
                return False
            if ahead[space.end() : space.end() + 1] in ("|", "\n", ""):
                self._source.skip(space.end())
                return True
        self._source.speak(space.end())
        return True

    def code(self, ahead: str, final: bool) -> bool:
        """Read the end of a fence, or code up to the end of its line."""
        if self.at_start:
            line, end, _ = ahead.partition("\n")
            only_fence = not line.strip().strip(self._fence[0])
            if not end and not final and only_fence:
                return False
            if only_fence and line.strip().startswith(self._fence):
                self._fence = ""
                self._source.gap(LINE_GAP_S)
                self._source.skip(len(line))
                self.at_start = False
                return True
        self.at_start = False
        length = ahead.find("\n")
        self._source.speak(len(ahead) if length < 0 else length)
        if length >= 0:
            self._gap_s = LINE_GAP_S
            self.end()
        return True

    def cell_end(self, ahead: str, final: bool) -> bool | None:
        """Read the end of a table's cell: a comma, unless the row ends. None outside of tables."""
        if not self._in_table:
            return None
        rest = ahead[1:].lstrip(" \t|")
        if not rest and not final:
            return False
        if self._source.cell_has_text and rest and rest[0] != "\n":
            self._source.speak(1, ",")
            self._source.cell_has_text = False
        else:
            self._source.skip(1)
        return True

    def _heading(self, ahead: str, line: str, undecided: bool) -> bool | None:
        if undecided and not ahead.strip("#"):
            return False
        if heading := _HEADING.match(line):
            self._begin_block(min(heading.end(), len(ahead)), PARAGRAPH_GAP_S)
            return True
        return None

    def _quote(self, ahead: str, line: str, undecided: bool) -> bool | None:
        if undecided and len(ahead) == 1:
            return False
        if quote := _QUOTE.match(line):
            self._source.skip(quote.end())
            return True
        return None

    def _fence_start(self, ahead: str, line: str, undecided: bool) -> bool | None:
        if undecided and (len(ahead) < 3 or ahead[:3] in ("```", "~~~")):
            return False
        if fence := _FENCE.match(line):
            self._fence = fence[1]
            self._source.gap(LINE_GAP_S)
            self._source.skip(min(fence.end(), len(ahead)))
            return True
        return None

    def _definition(self, ahead: str, line: str, undecided: bool) -> bool | None:
        """Skip the definition of a link."""
        if undecided and _DEFINITION_START.fullmatch(ahead):
            return False
        if definition := _DEFINITION.match(line):
            self._source.skip(min(definition.end(), len(ahead)))
            self.at_start = False
            return True
        return None

    def _number(self, ahead: str, line: str, undecided: bool) -> bool | None:
        if undecided and re.fullmatch(r"\d{1,9}[.)]?", ahead):
            return False
        number = _NUMBER.match(line)
        if number and (not self._in_paragraph or number[0][:-2] == "1"):
            self._begin_block(0, LINE_GAP_S)
            self._source.speak(min(number.end(), len(ahead)))
            return True
        return None

    def _rule_or_bullet(self, ahead: str, line: str, undecided: bool) -> bool | None:
        sign = ahead[0]
        if undecided and not ahead.strip(sign + " \t"):
            return False
        if rule := _RULE.match(line):
            self._source.gap(PARAGRAPH_GAP_S)
            self._source.skip(min(rule.end(), len(ahead)))
            self.at_start = False
            return True
        if undecided and _TASK_START.fullmatch(ahead):
            return False
        bullet = _BULLET.match(line)
        if bullet and not (self._sure and (sign == "+" or ahead[bullet.end()].isdecimal())):
            self._begin_block(bullet.end(), LINE_GAP_S)
            return True
        return None

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
            self._source.skip(len(line))
            self.at_start = False
            return True
        self._source.cell_has_text = False
        self._begin_block(1, LINE_GAP_S)
        return True

    def _begin_block(self, length: int, gap_s: float) -> None:
        """Begin a line of its own after a sign of this length."""
        self._source.gap(LINE_GAP_S)
        self._in_heading = self._source.sign == "#"
        self._in_table = self._in_table and self._source.sign == "|"
        self._in_paragraph = False
        self._source.skip(length)
        self._gap_s = gap_s
        self._emphasis.clear()
        self.at_start = False

    def _begin_text(self) -> None:
        self._in_table = False
        self._in_paragraph = self._source.sign != "\n"
        self.at_start = False
