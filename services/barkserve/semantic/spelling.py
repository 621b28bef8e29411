"""Spells a text out in English letters, for checkpoints such as bark-mini that know only those.

Digits, signs, abbreviations and other scripts become words. [cues] and note signs, which such a
checkpoint cannot perform, are removed.
"""

import re
from collections.abc import Callable

from anyascii import anyascii
from num2words import num2words

from barkserve.semantic.text_with_offsets import TextWithOffsets

_CUE = re.compile(r"\[[^\[\]]*\]|[♩♪♫♬]")
_EMOJI_NAME = re.compile(r":[a-z0-9_]+:")  # the name that anyascii gives an emoji
_UNSPOKEN = re.compile(r"[^a-zA-Z.,?!'\- ]")
_SPACE = re.compile(r"\s+")
_SPACE_BEFORE_SIGN = re.compile(r" (?=[.,?!])")

_ABBREVIATIONS = {
    "mr": "mister", "mrs": "missus", "ms": "miz", "dr": "doctor", "prof": "professor",
    "jr": "junior", "sr": "senior", "vs": "versus", "etc": "et cetera",
    "approx": "approximately", "dept": "department", "tel": "telephone", "min": "minutes",
}  # fmt: skip
_ABBREVIATION = re.compile(rf"\b({'|'.join(_ABBREVIATIONS)})\.(?=\s|,|$)", re.IGNORECASE)
_PHRASES = (
    (re.compile(r"\be\.g\.", re.IGNORECASE), "for example"),
    (re.compile(r"\bi\.e\.", re.IGNORECASE), "that is"),
    (re.compile(r"\bNo\. ?(?=\d)"), "number "),
    (re.compile(r"\bSt\.(?= [A-Z])"), "saint"),
    (re.compile(r"\bSt\."), "street"),
    (re.compile(r"\ba\.m\.", re.IGNORECASE), "a m"),
    (re.compile(r"\bp\.m\.", re.IGNORECASE), "p m"),
)
_SIGNS = {
    "&": " and ", "@": " at ", "%": " percent", "+": " plus ", "=": " equals ", "#": " number ",
    "/": " slash ", "*": " times ", "_": " ", "<": " less than ", ">": " greater than ",
}  # fmt: skip
_SIGN = re.compile("|".join(map(re.escape, _SIGNS)))
_PAUSE = re.compile("[;:]")
# Such a checkpoint stops at the first full stop, even inside a text.
_INITIAL = re.compile(r"(?<![a-zA-Z])([a-zA-Z])\.(?= ?[a-zA-Z])")
# Possessive, because backtracking takes quadratic time.
_END_INSIDE = re.compile(r"(?<=[a-zA-Z]),*+[.?!][.?!, ]*+(?=[a-zA-Z])")
_CURRENCIES = {"$": "USD", "€": "EUR", "£": "GBP"}
_MANY = {"$": "dollars", "€": "euros", "£": "pounds"}
_GROUPED = r"\d{1,3}(?:,\d{3})+"
_MONEY = re.compile(rf"([$€£]) ?({_GROUPED}(?:\.\d\d)?|\d+(?:\.\d\d)?)(?!\d)")
_GROUPED_NUMBER = re.compile(rf"\b{_GROUPED}\b")
_TIME = re.compile(r"\b([01]?\d|2[0-3]):([0-5]\d)\b")
_ORDINAL = re.compile(r"\b(\d{1,6})(?:st|nd|rd|th)\b", re.IGNORECASE)
_YEAR = re.compile(r"\b(1[1-9]\d\d|20\d\d)\b(?![.,]\d)")
_NUMBER = re.compile(r"(?<![\w.])-?\d+(?:\.\d+)?|\d+")
_NO_CENTS = re.compile(r", zero \w+$")
_LONGEST_NUMBER = 15  # digits; longer ones are read digit by digit


def spell_out(text: str) -> TextWithOffsets:
    """Reduce a text to the letters a to z and A to Z, spaces and . , ? ! ' - only.

    The result is empty if nothing can be spoken.
    """
    spoken = (
        TextWithOffsets.from_text(text).sub(_CUE, " ").sub(_MONEY, _money)
    )  # anyascii turns € and £ into letters
    spoken = spoken.each(anyascii).sub(_EMOJI_NAME, " ")
    for pattern, words in _PHRASES:
        spoken = spoken.sub(pattern, words)
    spoken = spoken.sub(_ABBREVIATION, lambda match: _ABBREVIATIONS[match[1].lower()])
    for reading, say in _READINGS:
        spoken = spoken.sub(reading, say)
    spoken = spoken.sub(_SIGN, lambda match: _SIGNS[match[0]])
    spoken = spoken.sub(_PAUSE, ",").sub(_UNSPOKEN, " ").sub(_SPACE, " ")
    spoken = spoken.sub(_SPACE_BEFORE_SIGN, "").sub(_INITIAL, lambda match: f"{match[1]} ")
    return spoken.sub(_END_INSIDE, ", ").sub(_SPACE, " ").strip()


def _money(match: re.Match[str]) -> str:
    figures = match[2].replace(",", "")
    if len(figures) > _LONGEST_NUMBER:
        return f"{_digit_by_digit(figures)} {_MANY[match[1]]}"
    words = num2words(float(figures), to="currency", currency=_CURRENCIES[match[1]])
    return _NO_CENTS.sub("", str(words))


def _time(match: re.Match[str]) -> str:
    hour, minute = num2words(int(match[1])), int(match[2])
    if minute == 0:
        return f"{hour} o'clock"
    return f"{hour} {'oh ' if minute < 10 else ''}{num2words(minute)}"


def _grouped(match: re.Match[str]) -> str:
    digits = match[0].replace(",", "")
    return _digit_by_digit(digits) if len(digits) > _LONGEST_NUMBER else num2words(int(digits))


def _number(match: re.Match[str]) -> str:
    digits = match[0]
    if len(digits) > _LONGEST_NUMBER or (
        digits.startswith("0") and digits.isdigit() and len(digits) > 1
    ):
        return _digit_by_digit(digits)
    return f" {num2words(float(digits) if '.' in digits else int(digits))} "


def _digit_by_digit(figures: str) -> str:
    return " ".join(num2words(int(digit)) for digit in figures if digit.isdigit())


_READINGS: tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], str]], ...] = (
    (_GROUPED_NUMBER, _grouped),
    (_TIME, _time),
    (_ORDINAL, lambda match: str(num2words(int(match[1]), to="ordinal"))),
    (_YEAR, lambda match: str(num2words(int(match[1]), to="year"))),
    (_NUMBER, _number),
)
