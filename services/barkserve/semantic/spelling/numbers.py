"""Numbers without a unit: fractions, ranges, versions, powers, ordinals, plain numbers."""

import re

from barkserve.semantic.spelling.numerals import AMOUNT, GROUPED, amount, cardinal, ordinal, plural
from barkserve.semantic.spelling.rule import Rules, any_case, rule

_MAGNITUDES = {"k": "thousand", "K": "thousand", "M": "million", "B": "billion"}
_POWERS = {"2": "squared", "3": "cubed"}
_IDIOMS = {"24/7": "twenty-four seven", "9/11": "nine eleven", "50/50": "fifty fifty",
           "20/20": "twenty twenty", "50-50": "fifty fifty"}  # fmt: skip
_PRODUCTS = "Python|Ubuntu|Debian|Node|Java|PHP|Ruby|Go|Rust|Django|Android|Swift|macOS|iOS"
"""Names before versions: "3.12" is three point twelve after them."""

_NOT_FRACTIONS_ABOVE = 100
_BEFORE = r"(?<![\w.,])"
_AFTER = r"(?![\w.,]*\d)"

RULES: Rules = (
    rule(r"(?<=\d)-?(alpha|beta|rc|dev|preview)\.?(?=\d)", lambda match: f" {match[1]} "),
    any_case(
        rf"{_BEFORE}(-?)(\d+(?:\.\d+)?)e([+\-]?)(\d{{1,4}})\b",
        lambda match: _scientific(match),
    ),
    any_case(
        r"\bv(?:er(?:sion)?)?\.? ?(\d{1,6}(?:\.\d{1,6})+)\b",
        lambda match: f"version {_version(match[1])}",
    ),
    rule(
        rf"\b({_PRODUCTS}) (\d{{1,3}})\.(\d{{2}})(?![\w.]*\d)",
        lambda match: f"{match[1]} {_version(f'{match[2]}.{match[3]}')}",
    ),
    rule(r"(?<![\w.])\d{1,6}(?:\.\d{1,6}){2,5}(?![\w.]*\d)", lambda match: _version(match[0])),
    rule(
        r"(?<=[\w)])\^(-?)(\d{1,6})",
        lambda match: " " + _power(match[1], match[2]),
    ),
    rule(
        r"(?<![\w./,])(\d{1,6}) (\d{1,3})/(\d{1,3})(?![\w/])",
        lambda match: f"{cardinal(match[1])} and {_fraction(match[2], match[3])}",
    ),
    rule(
        r"(?<![\w./,])(\d{1,3}\.\d{1,3})/(\d{1,4}(?:\.\d{1,3})?)(?![\w/]|\.\d)",
        lambda match: f"{amount(match[1])} out of {amount(match[2])}",
    ),
    any_case(
        r"\b((?:scored?|rated?|rating|graded?|got)(?: a| an| it| of| is|:)? )(\d{1,3})/(10|100|5)"
        r"(?![\w/])",
        lambda match: f"{match[1]}{cardinal(match[2])} out of {cardinal(match[3])}",
    ),
    rule(
        r"\b(480|720|1080|1440|2160)([pi])\b",
        lambda match: f"{cardinal(match[1][:-2])} {cardinal(match[1][-2:])} {match[2]}",
    ),
    rule(r"\b50-50\b", _IDIOMS["50-50"]),
    rule(r"(?<=\d)!(?= ?[=+*/)])", " factorial"),
    rule(
        r"(?<![\w./,])(\d{1,6})/(\d{1,6})(?![\w/])",
        lambda match: _IDIOMS.get(match[0]) or _fraction(match[1], match[2]),
    ),
    rule(
        rf"{_BEFORE}({AMOUNT}) / ({AMOUNT}){_AFTER}",
        lambda match: f"{amount(match[1])} divided by {amount(match[2])}",
    ),
    rule(r"(?<=[=+\-*/] )(\d{1,6})x\b", lambda match: f"{cardinal(match[1])} x"),
    rule(
        rf"{_BEFORE}(?:({AMOUNT})\s?-\s?)?({AMOUNT})x(?= [a-z]|[.,!?]|$)",
        lambda match: (f"{amount(match[1])} to " if match[1] else "") + f"{amount(match[2])} times",
    ),
    rule(
        rf"{_BEFORE}({AMOUNT}) - ({AMOUNT})(?= [a-z]{{3}})",
        lambda match: f"{amount(match[1])} to {amount(match[2])}",
    ),
    rule(r"(?<=[\w)]) - (?=-?\d)", " minus "),
    rule(
        rf"{_BEFORE}({AMOUNT}) ?x ?(?=(?:{AMOUNT}) ?=)",
        lambda match: f"{amount(match[1])} times ",
    ),
    rule(
        rf"{_BEFORE}({AMOUNT}) ?x ?(?=\d)",
        lambda match: f"{amount(match[1])} by ",
    ),
    rule(
        rf"{_BEFORE}({AMOUNT})\s?-\s?({AMOUNT})(?:([kKMB])\b)?{_AFTER}(?!-\d)",
        lambda match: f"{amount(match[1])} to {amount(match[2])}{_magnitude(match[3])}",
    ),
    any_case(r"(?<=\d(?:st|nd|rd|th))-(?=\d)", " to "),
    any_case(rf"\b({GROUPED}|\d{{1,6}})(?:st|nd|rd|th)\b", lambda match: ordinal(match[1])),
    rule(rf"{_BEFORE}([2458])K\b", lambda match: f"{cardinal(match[1])} K"),
    rule(
        rf"{_BEFORE}(-?)({AMOUNT})([kKMB])\b",
        lambda match: f"{_minus(match[1])}{amount(match[2])}{_magnitude(match[3])}",
    ),
    rule(rf"{_BEFORE}({AMOUNT})\+(?!\d)", lambda match: f"{amount(match[1])} plus"),
    rule(r"(?<=[a-zA-Z])-(?=\d)|(?<=\d)-(?=[a-zA-Z])", " "),
    rule(
        rf"{_BEFORE}(-?)({AMOUNT}){_AFTER}",
        lambda match: f" {_minus(match[1])}{amount(match[2])} ",
    ),
    rule(r"\d++(?:\.\d++)?", lambda match: f" {amount(match[0])} "),
)


def _scientific(match: re.Match[str]) -> str:
    exponent = f"{'minus ' if match[3] == '-' else ''}{cardinal(str(int(match[4])))}"
    return f"{_minus(match[1])}{amount(match[2])} times ten to the power of {exponent}"


def _version(figures: str) -> str:
    return " point ".join(map(cardinal, figures.split(".")))


def _power(sign: str, digits: str) -> str:
    if not sign and digits in _POWERS:
        return _POWERS[digits]
    return f"to the power of {_minus(sign)}{cardinal(digits)}"


def _fraction(top: str, bottom: str) -> str:
    numerator, denominator = int(top), int(bottom)
    if not 1 < denominator <= _NOT_FRACTIONS_ABOVE or numerator > denominator:
        return f"{cardinal(top)} over {cardinal(bottom)}"
    if numerator == denominator:
        return f"{cardinal(top)} out of {cardinal(bottom)}"
    noun = {2: "half", 4: "quarter"}.get(denominator) or ordinal(bottom)
    many = "halves" if noun == "half" else plural(noun)
    return f"{cardinal(top)} {noun if numerator == 1 else many}"


def _magnitude(sign: str | None) -> str:
    return f" {_MAGNITUDES[sign]}" if sign else ""


def _minus(sign: str) -> str:
    return "minus " if sign else ""
