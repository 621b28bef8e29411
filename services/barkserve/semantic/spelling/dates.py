"""Dates, years and decades. Numeric dates are read as in American English: the month first."""

import re

from barkserve.semantic.spelling.numerals import cardinal, ordinal, plural, year
from barkserve.semantic.spelling.rule import Rules, rule

_MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September",
    "October", "November", "December",
)  # fmt: skip
_SHORT_MONTHS = {name[:3]: name for name in _MONTHS} | {"Sept": "September"}
_SHORT_DAYS = {
    "Mon": "Monday", "Tue": "Tuesday", "Tues": "Tuesday", "Wed": "Wednesday", "Thu": "Thursday",
    "Thur": "Thursday", "Thurs": "Thursday", "Fri": "Friday", "Sat": "Saturday", "Sun": "Sunday",
}  # fmt: skip
_SHORT_MONTH = "(?:Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sept|Sep|Oct|Nov|Dec)"
_MONTH = f"(?:{'|'.join(_MONTHS)})"
_DAY = r"(?:3[01]|[12]\d|0?[1-9])"
_YEAR = r"(?:1[1-9]\d\d|20\d\d)"
_SUFFIX = "(?:st|nd|rd|th)?"
_ANY_SHORT_DAY = f"(?:{'|'.join(_SHORT_DAYS)})"
_ANY_DAY = f"(?:{'|'.join(sorted({*_SHORT_DAYS, *_SHORT_DAYS.values()}, key=len, reverse=True))})"
_ANY_MONTH = rf"(?:{_MONTH}|{_SHORT_MONTH}\b\.?)"

_SCALES = {"°C": " degrees Celsius", "°F": " degrees Fahrenheit"}

DECADES: Rules = (
    rule(
        r"(?<!\w)'?([1-9]0)s\s?-\s?'?([1-9]0)s(?![a-z])( ?°[CF])?",
        lambda match: (
            f"{plural(cardinal(match[1]))} to {plural(cardinal(match[2]))}"
            f"{_SCALES[match[3].strip()] if match[3] else ''}"
        ),
    ),
    rule(r"\b(1[1-9]\d0|20\d0)'?s\b", lambda match: plural(year(match[1]))),
    rule(
        r"(?<!\w)(')([1-9]0)s\b"
        r"|\b((?i:the|her|his|mid|late|early|your|their|my|our)[ -])'?([1-9]0)'?s\b",
        lambda match: (match[3] or "") + plural(cardinal(match[2] or match[4])),
    ),
)
"""Apart, because "90s" is a number of seconds elsewhere."""

RULES: Rules = (
    rule(
        r"\b(\d{4}-\d\d-\d\d)T(\d\d:\d\d)(:(?!00)\d\d)?(?::00)?(?:\.\d{1,6})?(Z)?(?!\w)",
        lambda match: f"{match[1]}, {match[2]}{match[3] or ''}{' U T C' if match[4] else ''}",
    ),
    rule(r"(?<![\w\d])'(\d\d)\b(?!s|')", lambda match: cardinal(match[1])),
    rule(
        rf"\b({_ANY_DAY})\.?\s?-\s?({_ANY_DAY})\b\.?",
        lambda match: (
            f"{_SHORT_DAYS.get(match[1], match[1])} to {_SHORT_DAYS.get(match[2], match[2])}"
        ),
    ),
    rule(
        rf"\b({_ANY_MONTH})\s?-\s?({_ANY_MONTH})(?! ?\d)",
        lambda match: f"{_month_name(match[1])} to {_month_name(match[2])}",
    ),
    rule(
        rf"\b({_DAY})-({_ANY_MONTH})-(?={_YEAR}\b|\d\d\b)",
        lambda match: f"{match[1]} {_month_name(match[2])} ",
    ),
    rule(
        rf"\b({_ANY_MONTH} {_DAY}{_SUFFIX})\s?-\s?(?={_ANY_MONTH})",
        lambda match: f"{match[1]} to ",
    ),
    rule(
        rf"\b{_ANY_SHORT_DAY}\b\.?"
        rf"(?=,? (?:{_ANY_MONTH}|{_DAY}(?:st|nd|rd|th)|{_DAY} {_ANY_MONTH}))",
        lambda match: _SHORT_DAYS[match[0].rstrip(".")],
    ),
    rule(
        rf"\b({_SHORT_MONTH})\b\.?(?= \d)|(?<=\d )({_SHORT_MONTH})\b\.?",
        lambda match: _SHORT_MONTHS[match[1] or match[2]],
    ),
    rule(
        rf"\b({_YEAR})-(0[1-9]|1[0-2])-({_DAY})(?!\d|-\d)T?", lambda match: _date(*match.groups())
    ),
    rule(
        rf"(?<![\d/])(0?[1-9]|1[0-2])/({_DAY})/({_YEAR}|\d\d)(?![\d/])",
        lambda match: _date(match[3], match[1], match[2]),
    ),
    rule(
        rf"(?<![\d/])({_DAY})/(0?[1-9]|1[0-2])/({_YEAR}|\d\d)(?![\d/])",
        lambda match: _date(match[3], match[2], match[1]),
    ),
    rule(
        rf"(?<![\d.])({_DAY})\.(0?[1-9]|1[0-2])\.({_YEAR})(?![\d.]*\d)",
        lambda match: _date(match[3], match[2], match[1]),
    ),
    rule(
        rf"(?<![\d/])({_YEAR})/(0?[1-9]|1[0-2])/({_DAY})(?![\d/])",
        lambda match: _date(*match.groups()),
    ),
    rule(
        rf"(?<![\d/])(0?[1-9]|1[0-2])/({_YEAR})(?![\d/])",
        lambda match: f"{_MONTHS[int(match[1]) - 1]} {year(match[2])}",
    ),
    rule(
        rf"\b((?i:on|by|until|since|due|ends?|starts?|begins?|expires?|{_ANY_DAY}),? )"
        rf"(0?[1-9]|1[0-2])/({_DAY})(?![\d/])",
        lambda match: f"{match[1]}{_MONTHS[int(match[2]) - 1]} {ordinal(match[3])}",
    ),
    rule(
        rf"\b({_MONTH}) ({_DAY}){_SUFFIX}\s?-\s?({_DAY}){_SUFFIX}(?![\d:/])(?:,? ({_YEAR})\b)?",
        lambda match: (
            f"{match[1]} {ordinal(match[2])} to {ordinal(match[3])}{_comma_year(match[4])}"
        ),
    ),
    rule(
        rf"\b({_MONTH}) ({_DAY}){_SUFFIX}(?![\d:/]|\.\d)(?:,? ({_YEAR})\b)?",
        lambda match: f"{match[1]} {ordinal(match[2])}{_comma_year(match[3])}",
    ),
    rule(
        rf"\b([Tt]he )?({_DAY})(st|nd|rd|th)?(?: of)? (?={_MONTH}\b)",
        lambda match: f"{match[1] or ('' if match[3] else 'the ')}{ordinal(match[2])} of ",
    ),
    rule(rf"\b({_YEAR})\s?-\s?({_YEAR})\b", lambda match: f"{year(match[1])} to {year(match[2])}"),
    rule(
        rf"\b({_YEAR})\s?-\s?(present|now|today)\b",
        lambda match: f"{year(match[1])} to {match[2]}",
    ),
    rule(rf"\b({_YEAR})-(\d\d)\b(?!-)", lambda match: _short_range(match)),
    rule(rf"\b({_YEAR})/(\d\d)\b(?!/)", lambda match: _short_range(match)),
    rule(rf"\bFY ?({_YEAR})\b", lambda match: f"F Y {year(match[1])}"),
    rule(rf"(?<![\d.,])\b{_YEAR}\b(?![.,]?\d|%)", lambda match: year(match[0])),
    rule(
        r"\b(\d{3,4}|\d{1,2}) ?(BC|BCE|AD|CE)\b",
        lambda match: f"{year(match[1])} {_letters(match[2])}",
    ),
    rule(r"\b(AD) (?=\d)", "A D "),
)


def _date(year_digits: str, month: str, day: str) -> str:
    if len(year_digits) == 2:
        year_digits = ("20" if year_digits < "70" else "19") + year_digits
    return f"{_MONTHS[int(month) - 1]} {ordinal(day)}, {year(year_digits)} "


def _month_name(written: str) -> str:
    name = written.rstrip(".")
    return _SHORT_MONTHS.get(name, name)


def _comma_year(digits: str | None) -> str:
    return f", {year(digits)}" if digits else ""


def _short_range(match: re.Match[str]) -> str:
    first, last = match[1], match[1][:2] + match[2]
    return f"{year(first)} to {cardinal(match[2]) if last > first else year(match[2])}"


def _letters(word: str) -> str:
    return " ".join(word)
