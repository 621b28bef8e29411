"""Telephone numbers and other numbers that are said digit by digit."""

import re

from barkserve.semantic.spelling.numerals import digit_by_digit, year
from barkserve.semantic.spelling.rule import Rules, any_case, rule

_HUNDREDS = {"800": "eight hundred", "900": "nine hundred"}
_CALLED = (
    "(?:call|dial|extension|pin|code|flight|room|zip(?: code)?|account(?: number)?|ending in|id)"
)
_KEYS = {"*": "star", "#": "pound"}
_GROUP = re.compile(r"\d+")

RULES: Rules = (
    rule(r"(?<=\d{3}[-. ]\d{4}),? x(?=\d{1,6}\b)", ", extension "),
    rule(r"(?<![\w.\-])\d(?:-\d){2,9}(?![\w\-])", lambda match: digit_by_digit(match[0])),
    rule(
        r"(?<!\w)([*#])(\d{1,6})([*#])(?!\w)",
        lambda match: f"{_KEYS[match[1]]} {digit_by_digit(match[2])} {_KEYS[match[3]]}",
    ),
    rule(
        r"\b([A-Z]{2,6})-((?:19|20)\d\d)-(\d{3,7})\b",
        lambda match: f"{match[1]} {year(match[2])}, {digit_by_digit(match[3])}",
    ),
    rule(
        r"(?<![\w.,\-])(?!\d*0{5}\b)\d{10,15}(?![\w,\-]*\d|\.\d)",
        lambda match: digit_by_digit(match[0]),
    ),
    any_case(
        r"\b(flight )([A-Z\d]{2} ?)(\d{2,4})\b",
        lambda match: f"{match[1]}{match[2]} {digit_by_digit(match[3])}",
    ),
    rule(r"(?<=[A-Z])\d{2,6}(?=[A-Z])", lambda match: f" {digit_by_digit(match[0])} "),
    rule(r"(?<![\w.,$\-])(\d{5})-(\d{4})(?![\w\-]|[.,]\d)", lambda match: _groups(match[0])),
    rule(
        r"(?<![\w.])\+\d{1,3}(?:[ .\-]?\(?\d{1,5}\)?){2,6}(?!\w)",
        lambda match: "plus " + _groups(match[0]),
    ),
    rule(
        r"(?<![\w.\-])(?:1[ .\-])?(?:\(\d{3}\) ?|\d{3}[ .\-])\d{3}[ .\-]\d{4}(?![\w\-])",
        lambda match: _groups(match[0]),
    ),
    rule(
        r"(?<![\w.])(?:\(0\d{1,4}\)|0\d{2,4})(?:[ \-]\d{2,4}){1,4}(?!\w|[.,]\d)",
        lambda match: _groups(match[0]),
    ),
    rule(r"(?<![\w.\-])\d{3}[\-.]\d{4}(?![\w\-])", lambda match: _groups(match[0])),
    rule(r"(?<![\w.\-])1-(800|888|877|900)-(?=[A-Z])", lambda match: f"one {_group(match[1])} "),
    rule(r"(?<![\w.\-])\d{1,5}(?:-\d{1,7}){3,5}(?![\w\-])", lambda match: _groups(match[0])),
    rule(r"(?<![\w.\-])\d{3}-\d{2}-\d{4}(?![\w\-])", lambda match: _groups(match[0])),
    rule(r"(?<![\w.\-])\d{4}([ \-])\d{4}\1\d{4}\1\d{4}(?![\w\-])", lambda match: _groups(match[0])),
    any_case(
        rf"\b({_CALLED}(?: is)? )(\d{{3,8}})\b(?![,.:]?\d)",
        lambda match: match[1] + digit_by_digit(match[2]),
    ),
)


def _groups(written: str) -> str:
    return ", ".join(map(_group, _GROUP.findall(written)))


def _group(digits: str) -> str:
    return _HUNDREDS.get(digits) or digit_by_digit(digits)
