"""What is inside of a line: words, addresses, code, escaped signs, and other signs."""

import re

from barkserve.orchestrator.text.markup.addresses import (
    CANDIDATE,
    EMAIL_REST,
    WEB,
    WEB_STARTS,
    spoken_address,
    without_end,
)
from barkserve.orchestrator.text.markup.items import Warn
from barkserve.orchestrator.text.markup.markdown.brackets import Brackets
from barkserve.orchestrator.text.markup.markdown.emphasis import Emphasis
from barkserve.orchestrator.text.markup.markdown.html_tags import HtmlTags
from barkserve.orchestrator.text.markup.markdown.lines import Lines
from barkserve.orchestrator.text.markup.markdown.source import Source

_WORDS = re.compile(r"(?:[^\W_]{1,64}[.,;:!?'’)]{0,2}+[^\S\n]++)++")  # hold no construct
_WORD = re.compile(r"[^\W_]{1,64}")
_ESCAPABLE = "\\`*_{}#+-.!|~<>\"'"
_SURELY_ESCAPED = "`*_#|~"
_FORMULA = "()[]"
"""Signs that begin and end a formula behind a backslash, as language models write LaTeX."""


class Inline:
    """Reads one construct inside of a line.

    Args:
        source: the text.
        lines: the line that it is in.
        emphasis: reads * _ and ~.
        warn: called for markup that has no effect.
        sure: whether only signs that are hardly ever text are markup.

    Attributes:
        language: BCP 47 code; addresses are read in it.
    """

    def __init__(
        self, source: Source, lines: Lines, emphasis: Emphasis, warn: Warn, *, sure: bool
    ) -> None:
        self.language = ""
        self._source = source
        self._lines = lines
        self._emphasis = emphasis
        self._sure = sure
        self._brackets = Brackets(source, warn, sure)
        self._html_tags = HtmlTags(source, warn)

    def read(self, ahead: str, final: bool) -> bool:
        """Read the next construct, or some text; False if more text is needed."""
        if self._lines.is_text and (words := _WORDS.match(ahead)):
            self._source.speak(words.end())
            return True
        sign = ahead[0]
        if sign == "\n":
            self._lines.end()
            return True
        if sign.isspace():
            return self._lines.space(ahead, final)
        if sign.isalnum():
            return self._word(ahead, final)
        read = None
        if sign in "@._+-" and self._source.before.isalnum():
            read = self._email_rest(ahead, final)
        if read is None:
            read = self._sign(ahead, final)
        if read is None:
            self._source.speak(1)
        return read is not False

    def _sign(self, ahead: str, final: bool) -> bool | None:
        """Read the construct that begins with a sign; None if it is text."""
        match ahead[0]:
            case "*" | "_" | "~":
                return self._emphasis.read(ahead, final)
            case "`":
                return self._code(ahead, final)
            case "[":
                return self._brackets.read(ahead, final)
            case "!":
                return self._brackets.image(ahead, final)
            case "<":
                return self._html_tags.read(ahead, final, self.language)
            case "&":
                return self._html_tags.reference(ahead, final)
            case "\\":
                return self._backslash(ahead, final)
            case "|":
                return self._lines.cell_end(ahead, final)
        return None

    def _word(self, ahead: str, final: bool) -> bool:
        """Read a word, or a web address that begins with it."""
        start = "" if self._source.before.isalnum() else ahead[:8].lower()
        if start.startswith(WEB_STARTS):
            candidate = CANDIDATE.match(ahead)
            if candidate and candidate.end() == len(ahead) and not final:
                return False
            if web := WEB.match(ahead):
                address = without_end(web[0])
                self._source.speak(len(address), spoken_address(address, self.language))
                return True
        elif start == ahead.lower() and not final and _begins_address(start):
            return False
        word = _WORD.match(ahead)
        assert word is not None
        self._source.speak(word.end())
        return True

    def _email_rest(self, ahead: str, final: bool) -> bool | None:
        """Read what follows the first word of an e-mail address; None if it is none."""
        candidate = CANDIDATE.match(ahead)
        if candidate and candidate.end() == len(ahead) and not final:
            return False
        if rest := EMAIL_REST.match(ahead):
            self._source.speak(rest.end(), f" {spoken_address(rest[0], self.language)}")
            return True
        return None

    def _code(self, ahead: str, final: bool) -> bool:
        """Read code between backticks."""
        signs = len(ahead) - len(ahead.lstrip("`"))
        if signs == len(ahead) and not final:
            return False
        paragraph, is_whole, _ = ahead.partition("\n\n")
        for end in re.finditer("`+", paragraph[signs:]):
            if signs + end.end() == len(ahead) and not final:
                return False
            if len(end[0]) == signs:
                self._source.skip(signs)
                self._source.speak(end.start())
                self._source.skip(signs)
                return True
        if not final and not is_whole:
            return False
        self._source.speak(signs)
        return True

    def _backslash(self, ahead: str, final: bool) -> bool | None:
        """Read a sign that is escaped, as text; None for a backslash that is text."""
        if len(ahead) == 1 and not final:
            return False
        if ahead[1:2] == "\n" and not self._sure:
            self._source.skip(1)
            return True
        if ahead[1:2] and ahead[1] in _FORMULA:
            self._source.speak(2, " ")
            return True
        if ahead[1:2] and ahead[1] in (_SURELY_ESCAPED if self._sure else _ESCAPABLE):
            self._source.skip(1)
            self._source.speak(1)
            return True
        return None


def _begins_address(start: str) -> bool:
    return any(known.startswith(start) for known in WEB_STARTS)
