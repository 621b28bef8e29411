"""Reads the text of SSML's `say-as` in one of the ways that it names.

num2words spells numbers, and Babel writes dates and times as people of a language do. A checkpoint
that cannot read digits gets them spelled out later, in the semantic stage.
"""

import re
from collections.abc import Callable, Mapping
from datetime import date, time

from babel.core import Locale, UnknownLocaleError
from babel.dates import format_date, format_skeleton, format_time
from num2words import num2words

LONGEST_NUMBER = 15
"""Digits; longer numbers are read digit by digit."""

_DIGITS: Mapping[str, tuple[str, ...]] = {
    "hi": ("शून्य", "एक", "दो", "तीन", "चार", "पाँच", "छह", "सात", "आठ", "नौ"),
    "zh": ("零", "一", "二", "三", "四", "五", "六", "七", "八", "九"),
}
"""Digits in the languages that num2words does not know."""

_NUMBER = re.compile(r"[+-]?\d+(?:\.\d+)?", re.ASCII)
_INTEGER = re.compile(r"(\d+)(?:st|nd|rd|th|\.|º|ª|e|er|ère)?", re.ASCII)
_DATE = re.compile(r"\d{1,4}|[^\W\d_]+")
_TIME = re.compile(
    r"(\d{1,2})(?:[:.hH](\d{2}))?(?:[:.](\d{2}))?\s*([ap])?\.?(?:m\.?)?", re.ASCII | re.IGNORECASE
)
_CURRENCIES: Mapping[str, str] = {
    "$": "USD", "€": "EUR", "£": "GBP", "¥": "JPY", "₹": "INR", "₽": "RUB", "₺": "TRY", "zł": "PLN",
    "₩": "KRW",
}  # fmt: skip
_AMOUNT = re.compile(
    r"(?P<before>[$€£¥₹₽₺₩]|[A-Z]{3})?\s*(?P<amount>\d{1,15}(?:[.,]\d{1,2})?)"
    r"\s*(?P<after>[$€£¥₹₽₺₩]|zł|[A-Z]{3})?",
    re.ASCII,
)
_DATE_FORMATS = frozenset(
    {"mdy", "dmy", "ymd", "ydm", "md", "dm", "ym", "my", "d", "m", "y", "yyyymmdd"}
)
_LANGUAGES = ("en", "de", "es", "fr", "hi", "it", "ja", "ko", "pl", "pt", "ru", "tr", "zh")
_MONTH_FIRST = ("en", "")  # and elsewhere the day is first


def say_as(kind: str, form: str, text: str, language: str) -> str | None:
    """Return the reading of a text; None if it is not of this kind, or the kind is unknown.

    Args:
        kind: `interpret-as`.
        form: `format`, empty for none.
        text: the text.
        language: BCP 47 code.
    """
    reader = _READERS.get(kind.lower())
    return reader(text.strip(), form.lower(), _base(language)) if reader else None


def load_locales() -> None:
    """Load what Babel knows about Bark's languages, which takes too long during a synthesis."""
    for language in _LANGUAGES:
        _written_date({"y": 2000, "m": 1, "d": 1}, language)


def is_known(kind: str) -> bool:
    """Return whether there is such a kind."""
    return kind.lower() in _READERS


def _base(language: str) -> str:
    return language.replace("_", "-").split("-")[0].lower() or "en"


def _digits(text: str, _: str, language: str) -> str | None:
    if not any(character.isdecimal() for character in text):
        return None
    return " ".join(
        _digit(int(character), language) if character.isdecimal() else character
        for character in text
        if not character.isspace()
    )


def _characters(text: str, _: str, language: str) -> str | None:
    words = (
        _digit(int(each), language) if each.isdecimal() else each.upper()
        for each in text
        if not each.isspace()
    )
    return " ".join(words) or None


def _telephone(text: str, _: str, language: str) -> str | None:
    """Digit by digit, with a comma between groups. A country code keeps its plus sign."""
    groups = re.findall(r"\d+", text)
    if not groups:
        return None
    spoken = ", ".join(
        " ".join(_digit(int(figure), language) for figure in group) for group in groups
    )
    return f"+ {spoken}" if text.startswith("+") else spoken


def _cardinal(text: str, _: str, language: str) -> str | None:
    figures = text.replace(",", "") if language == "en" else text
    if not _NUMBER.fullmatch(figures):
        return None
    if len(figures) > LONGEST_NUMBER:
        return _digits(figures, "", language)
    number = float(figures) if "." in figures else int(figures)
    return _words(number, language, "cardinal") or figures


def _ordinal(text: str, _: str, language: str) -> str | None:
    match = _INTEGER.fullmatch(text)
    if match is None or len(match[1]) > LONGEST_NUMBER:
        return None
    if language == "zh":
        return f"第{match[1]}"
    return _words(int(match[1]), language, "ordinal") or text


def _currency(text: str, form: str, language: str) -> str | None:
    match = _AMOUNT.fullmatch(text)
    if match is None:
        return None
    sign = match["before"] or match["after"] or form.upper()
    code = _CURRENCIES.get(sign, sign)
    amount = float(match["amount"].replace(",", "."))
    words = _words(amount, language, "currency", currency=code)
    return re.sub(r",? (?:and )?zero \w+$", "", words) if words else text


def _date(text: str, form: str, language: str) -> str | None:
    """Written out as in the language; the order of its numbers as in the format."""
    parts = _DATE.findall(text)
    if len(parts) == 1 and len(parts[0]) == 4 and form in ("", "y"):
        return _words(int(parts[0]), language, "year") or text if parts[0].isdecimal() else None
    if re.fullmatch(r"\d{8}", text, re.ASCII):
        parts, form = [text[:4], text[4:6], text[6:]], "ymd"
    if not form:
        year_first = bool(parts) and len(parts[0]) == 4
        form = "ymd" if year_first else "mdy" if language in _MONTH_FIRST else "dmy"
        form = form if len(parts) == 3 else form.replace("y", "")
    if form not in _DATE_FORMATS or len(form) != len(parts):
        return None
    if not all(part.isascii() and part.isdecimal() for part in parts):
        return None
    return _written_date(dict(zip(form, map(int, parts), strict=True)), language)


def _written_date(numbers: Mapping[str, int], language: str) -> str | None:
    year = numbers.get("y", 2000)
    year += 2000 if year < 50 else 1900 if year < 100 else 0
    try:
        day = date(year, numbers.get("m", 1), numbers.get("d", 1))
        locale = Locale.parse(language)
    except (ValueError, UnknownLocaleError):
        return None
    fields = "".join(sorted(numbers))
    if fields == "dmy":
        return format_date(day, "long", locale=locale)
    skeleton = {"dm": "MMMMd", "my": "yMMMM", "d": "d", "m": "MMMM", "y": "y"}[fields]
    return format_skeleton(skeleton, day, locale=locale)


def _time(text: str, _: str, language: str) -> str | None:
    match = _TIME.fullmatch(text)
    if match is None or not (match[2] or match[4]):
        return None
    hour, minute, second = int(match[1]), int(match[2] or 0), int(match[3] or 0)
    if match[4]:
        hour = hour % 12 + (12 if match[4].lower() == "p" else 0)
    try:
        moment = time(hour, minute, second)
        locale = Locale.parse(language)
    except (ValueError, UnknownLocaleError):
        return None
    if language == "en" and not match[4]:
        return moment.strftime("%H:%M:%S" if match[3] else "%H:%M").removeprefix("0")
    return format_time(moment, "medium" if match[3] else "short", locale=locale).replace(
        "\u202f", " "
    )


def _digit(figure: int, language: str) -> str:
    known = _DIGITS.get(language)
    return known[figure] if known else _words(figure, language, "cardinal") or str(figure)


def _words(number: float, language: str, kind: str, **options: str) -> str | None:
    """The words of a number; None if num2words does not know the language or the currency."""
    try:
        return str(num2words(number, lang=language, to=kind, **options))
    except (NotImplementedError, ValueError, TypeError, OverflowError):
        return None


_Reader = Callable[[str, str, str], str | None]

_READERS: Mapping[str, _Reader] = {
    "digits": _digits,
    "characters": _characters,
    "spell-out": _characters,
    "verbatim": _characters,
    "date": _date,
    "time": _time,
    "telephone": _telephone,
    "cardinal": _cardinal,
    "number": _cardinal,
    "ordinal": _ordinal,
    "currency": _currency,
}
