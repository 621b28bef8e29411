"""Times of day, durations with colons, and ratios."""

import re

from barkserve.semantic.spelling.numerals import cardinal
from barkserve.semantic.spelling.rule import Rules, any_case, rule

_HALF = r"([ap])(?:\.\s?m\.|\s?m\b)"  # a.m., p.m., am, PM

RULES: Rules = (
    rule(
        r"\b(UTC|GMT) ?([+-])0?(\d{1,2})(?::?([0-5]\d))?(?![\d:])",
        lambda match: _offset(match),
    ),
    rule(r"\bT-(?=\d)", "T minus "),
    rule(
        r"\b(\d{1,3}):(\d{1,6})(?= (?:scale|ratio|odds)\b)",
        lambda match: f"{cardinal(match[1])} to {cardinal(match[2])}",
    ),
    any_case(r"\b(noon|midnight)\s?-\s?(?=\d)", lambda match: f"{match[1]} to "),
    any_case(
        r"(?<=[\dm.])\s?-\s?(?=\d{1,2}(?::[0-5]\d)?\s?[ap]\.?m\b)|(?<=:\d\d)\s?-\s?(?=\d{1,2}:)",
        " to ",
    ),
    any_case(
        rf"(?<=\d)\s?{_HALF}|\b([ap])\.m\.",
        lambda match: f" {(match[1] or match[2]).lower()} m",
    ),
    rule(
        r"\b(\d{1,2})(?::([0-5]\d))?(?::([0-5]\d))?(?= [ap] m\b)",
        lambda match: _half_day(match),
    ),
    rule(
        r"(?<![\d:.])([01]?\d|2[0-4]):([0-5]\d):([0-5]\d)(?:\.\d{1,6})?(?![\d:])",
        lambda match: (
            f"{_hours(match[1], match[2]).replace('midnight', 'zero hours')}"
            f" and {_count(match[3], 'second')}"
        ),
    ),
    rule(
        r"(?<![\d:.])([01]?\d|2[0-4]):([0-5]\d)(?![\d:])",
        lambda match: _hours(match[1], match[2]),
    ),
    rule(
        r"(?<![\d:.])(\d{1,4}):([0-5]\d)(?![\d:])",
        lambda match: f"{cardinal(match[1])} {_two_digits(match[2])}",
    ),
    rule(
        r"(?<![\d:])(\d{1,6}):(\d{1,6})(?![\d:])",
        lambda match: f"{cardinal(match[1])} to {cardinal(match[2])}",
    ),
    rule(
        r"(?<![\d:])\d{1,6}(?::\d{1,6}){2,9}(?![\d:])",
        lambda match: " ".join(map(cardinal, match[0].split(":"))),
    ),
)


def _offset(match: re.Match[str]) -> str:
    words = f"{match[1]} {'plus' if match[2] == '+' else 'minus'} {cardinal(match[3])}"
    return words if match[4] in (None, "00") else f"{words} {cardinal(match[4])}"


def _half_day(match: re.Match[str]) -> str:
    hour, minute, second = match[1], match[2], match[3]
    words = cardinal(str(int(hour)))
    if minute and (minute != "00" or second):
        words += " " + _two_digits(minute)
    return words + (f" and {_count(second, 'second')}" if second else "")


def _hours(hour: str, minute: str) -> str:
    words = cardinal(str(int(hour)))
    if minute != "00":
        return f"{words} {_two_digits(minute)}"
    if int(hour) == 0:
        return "midnight"
    return f"{words} o'clock" if int(hour) <= 12 else f"{words} hundred"


def _two_digits(digits: str) -> str:
    words = cardinal(str(int(digits)))
    return f"oh {words}" if digits.startswith("0") else words


def _count(digits: str, noun: str) -> str:
    number = int(digits)
    return f"{cardinal(str(number))} {noun}{'' if number == 1 else 's'}"
