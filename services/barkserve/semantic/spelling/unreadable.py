"""Finds what has no reading: cues, note signs, emoji and unknown signs."""

import re
import unicodedata

from barkserve.semantic.spelling.signs import OMITTED, in_ascii
from barkserve.semantic.spelling.spell_out import spell_out

_CUE_OR_NOTE = re.compile(
    r"(?<!\w)\[[^\[\]]*\](?!\()|[♩♪♫♬]"
)  # as in markup, where links have a text
_NOT_ASCII = re.compile(r"[^\x00-\x7f]")
_JOINING = ("Mn", "Me", "Cf")  # categories: what only changes the character before it
_SILENT = ("Z", "P", "C", "M")  # first letters of categories: space, punctuation, controls, marks


def unreadable(text: str) -> list[tuple[int, int]]:
    """Return the parts of a text that spell_out() drops, first and last + 1 character."""
    spans = [match.span() for match in _CUE_OR_NOTE.finditer(text)]
    for match in _NOT_ASCII.finditer(text):
        place = match.start()
        touches = spans and spans[-1][1] == place
        if touches and unicodedata.category(match[0]) in _JOINING:
            spans[-1] = spans[-1][0], place + 1
        elif _has_no_reading(match[0]):
            spans.append((spans.pop()[0] if touches else place, place + 1))
    return sorted(set(spans))


def _has_no_reading(sign: str) -> bool:
    if sign in OMITTED or unicodedata.category(sign)[0] in _SILENT:
        return False
    return not in_ascii(sign).strip() and not spell_out(sign).text
