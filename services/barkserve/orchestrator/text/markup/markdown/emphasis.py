"""Emphasis: * _ and ~~ around words."""

import re

from barkserve.orchestrator.text.markup.markdown.source import Source


class Emphasis:
    """Skips the signs of emphasis.

    Args:
        source: the text.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self._open: list[str] = []

    def clear(self) -> None:
        """Forget the open signs: emphasis ends with its paragraph."""
        self._open.clear()

    def read(self, ahead: str, final: bool) -> bool:
        """Read a run of signs; False if more text is needed."""
        sign = ahead[0]
        count = len(ahead) - len(ahead.lstrip(sign))
        if count == len(ahead) and not final:
            return False
        after = ahead[count : count + 1] or "\n"
        if (sign == "~" and count < 2) or count > 3:
            self._source.speak(count)
        elif self._closes(sign, count, after):
            self._source.skip(count)
        elif not self._can_open(sign, count, after):
            self._source.speak(count)
        else:
            return self._begin(ahead, count, final)
        return True

    def _begin(self, ahead: str, count: int, final: bool) -> bool:
        """Open emphasis if it is closed in this paragraph, else read its signs as text."""
        paragraph, is_whole, _ = ahead[count:].partition("\n\n")
        complete = final or bool(is_whole)
        if _closer(ahead[0], count).search(paragraph + ("\n" if complete else "")):
            self._open.append(ahead[:count])
            self._source.skip(count)
        elif complete:
            self._source.speak(count)
        else:
            return False
        return True

    def _can_open(self, sign: str, count: int, after: str) -> bool:
        """Whether a run of signs can begin emphasis."""
        if after.isspace():
            return False
        before = self._source.before
        inside_word = before.isalnum() and after.isalnum()
        if inside_word and (sign == "_" or count == 1 or before.isdecimal()):
            return False
        return not before.isalnum() or after.isalnum()

    def _closes(self, sign: str, count: int, after: str) -> bool:
        """Whether a run of signs ends emphasis that is open. Ends it."""
        if self._source.before.isspace() or (sign == "_" and after.isalnum()):
            return False
        left = count
        kept = list(self._open)
        while left and kept and kept[-1][0] == sign and len(kept[-1]) <= left:
            left -= len(kept.pop())
        if left == count or left:
            return False
        self._open = kept
        return True


def _closer(sign: str, count: int) -> re.Pattern[str]:
    """What ends emphasis that such a run begins."""
    sign = re.escape(sign)
    after = r"(?![^\W_])(?!\Z)" if sign == "_" or count == 1 else r"(?!\Z)"
    return re.compile(rf"(?<![\s{sign}]){sign}{{{count},3}}(?!{sign}){after}")
