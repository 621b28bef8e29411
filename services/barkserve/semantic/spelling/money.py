"""Amounts of money."""

import re
from dataclasses import dataclass

from barkserve.semantic.spelling.numerals import AMOUNT, amount, describes
from barkserve.semantic.spelling.rule import Rules, one_of, rule


@dataclass(frozen=True)
class _Currency:
    one: str
    many: str
    cent: str = ""
    cents: str = ""


_DOLLAR = _Currency("dollar", "dollars", "cent", "cents")
_EURO = _Currency("euro", "euros", "cent", "cents")
_POUND = _Currency("pound", "pounds", "penny", "pence")
_YEN = _Currency("yen", "yen")
_SYMBOLS = {
    "$": _DOLLAR,
    "US$": _Currency("U S dollar", "U S dollars", "cent", "cents"),
    "C$": _Currency("Canadian dollar", "Canadian dollars", "cent", "cents"),
    "CA$": _Currency("Canadian dollar", "Canadian dollars", "cent", "cents"),
    "A$": _Currency("Australian dollar", "Australian dollars", "cent", "cents"),
    "AU$": _Currency("Australian dollar", "Australian dollars", "cent", "cents"),
    "€": _EURO, "£": _POUND, "¥": _YEN,
    "₹": _Currency("rupee", "rupees", "paisa", "paise"), "₩": _Currency("won", "won"),
    "₽": _Currency("ruble", "rubles"), "₿": _Currency("bitcoin", "bitcoins"),
    "₺": _Currency("lira", "lira"), "₪": _Currency("shekel", "shekels"),
    "₫": _Currency("dong", "dong"), "฿": _Currency("baht", "baht"),
    "R$": _Currency("real", "reais"), "zł": _Currency("zloty", "zloty"),
    "NZ$": _Currency("New Zealand dollar", "New Zealand dollars", "cent", "cents"),
    "HK$": _Currency("Hong Kong dollar", "Hong Kong dollars", "cent", "cents"),
}  # fmt: skip
_CODES = {
    "USD": _SYMBOLS["US$"], "EUR": _EURO, "GBP": _Currency("British pound", "British pounds"),
    "JPY": _Currency("Japanese yen", "Japanese yen"),
    "CHF": _Currency("Swiss franc", "Swiss francs"), "CNY": _Currency("yuan", "yuan"),
    "CAD": _SYMBOLS["C$"], "AUD": _SYMBOLS["A$"], "INR": _Currency("rupee", "rupees"),
    "SEK": _Currency("Swedish krona", "Swedish kronor"), "BTC": _SYMBOLS["₿"],
    "MXN": _Currency("Mexican peso", "Mexican pesos"), "BRL": _SYMBOLS["R$"],
    "PLN": _SYMBOLS["zł"], "RUB": _SYMBOLS["₽"], "KRW": _SYMBOLS["₩"],
}  # fmt: skip
_MAGNITUDES = {
    "k": "thousand", "K": "thousand", "m": "million", "M": "million", "mn": "million",
    "mm": "million", "MM": "million", "b": "billion", "B": "billion", "bn": "billion",
    "Bn": "billion", "T": "trillion", "tn": "trillion", "thousand": "thousand",
    "million": "million", "billion": "billion", "trillion": "trillion", "grand": "thousand",
}  # fmt: skip
_SYMBOL = "|".join(re.escape(symbol) for symbol in sorted(_SYMBOLS, key=len, reverse=True))
_CODE = "|".join(_CODES)
_MAGNITUDE = rf"(?: ?(thousand|million|billion|trillion)\b|({one_of(_MAGNITUDES)})\b)?+"
_NUMBER = rf"({AMOUNT})(?![\d,]*\d)"
_OF_VALUE = r"(?: (?=(bill|note|coin|gift card|tip|fine|fee)\b))?"
_TO = r"\s?-\s?"
_PER = {
    "mo": "month", "yr": "year", "hr": "hour", "h": "hour", "min": "minute", "s": "second",
    "wk": "week", "gal": "gallon", "lb": "pound", "kg": "kilogram",
    **{noun: noun for noun in (
        "month", "year", "day", "hour", "minute", "second", "week", "night", "person", "user",
        "gallon", "liter", "unit", "seat", "ton", "head", "share", "page", "word", "token",
    )},
}  # fmt: skip

RULES: Rules = (
    rule(r"(?<=\d)-(an?)-(?=[a-z])", lambda match: f" {match[1]} "),  # $20-a-month
    rule(rf"((?:{_SYMBOL})(?:{AMOUNT}))pp\b", lambda match: f"{match[1]} per person"),
    rule(
        rf"({_SYMBOL})({AMOUNT}){_TO}(?:\1)?{_NUMBER}{_MAGNITUDE}",
        lambda match: (
            f"{amount(match[2])} to {_money(_SYMBOLS[match[1]], match[3], match[4] or match[5])}"
        ),
    ),
    rule(
        rf"(-?)(?<![A-Za-z])({_SYMBOL}) ?(-?){_NUMBER}{_MAGNITUDE}{_OF_VALUE}",
        lambda match: _symbol_first(match),
    ),
    rule(
        r"(?<![\w.,])(\d{1,6}),(\d\d) ?€",
        lambda match: _money(_EURO, f"{match[1]}.{match[2]}", None),
    ),
    rule(
        rf"(?<![\w.,])(-?){_NUMBER}{_MAGNITUDE} ?(?:({_SYMBOL})(?!\w)|({_CODE})\b)",
        lambda match: (
            _minus(match[1])
            + _money(
                _SYMBOLS[match[5]] if match[5] else _CODES[match[6]], match[2], match[3] or match[4]
            )
        ),
    ),
    rule(
        rf"\b({_CODE}) ?{_NUMBER}{_MAGNITUDE}",
        lambda match: _money(_CODES[match[1]], match[2], match[3] or match[4]),
    ),
    rule(rf"(?<![\w.,])({AMOUNT}) ?¢", lambda match: _with_noun(match[1], "cent", "cents")),
    rule(rf"(?<=[a-z]{{3}})/({one_of(_PER)})\b", lambda match: f" per {_PER[match[1]]}"),
)


def _symbol_first(match: re.Match[str]) -> str:
    minus, currency = _minus(match[1] or match[3]), _SYMBOLS[match[2]]
    magnitude = match[5] or match[6]
    if match[7] or ("." not in match[4] and describes(match)):
        words = amount(match[4]) + (f" {_MAGNITUDES[magnitude]}" if magnitude else "")
        return f"{minus}{words} {currency.one}{' ' if match[7] else ''}"
    return minus + _money(currency, match[4], magnitude)


def _minus(sign: str) -> str:
    return "minus " if sign else ""


def _money(currency: _Currency, figures: str, magnitude: str | None) -> str:
    if magnitude:
        return f"{amount(figures)} {_MAGNITUDES[magnitude]} {currency.many}"
    whole, _, decimals = figures.partition(".")
    if not currency.cents or (decimals and len(decimals) != 2):
        return _with_noun(figures, currency.one, currency.many)
    cents = int(decimals or 0)
    parts = []
    if int(whole.replace(",", "") or 0) or not cents:
        parts.append(_with_noun(whole or "0", currency.one, currency.many))
    if cents:
        parts.append(_with_noun(str(cents), currency.cent, currency.cents))
    return " and ".join(parts)


def _with_noun(figures: str, one: str, many: str) -> str:
    return f"{amount(figures)} {one if figures == '1' else many}"
