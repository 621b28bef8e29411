"""Words for numbers that are written in digits."""

import re

from num2words import num2words

LONGEST_NUMBER = 15
"""Digits; longer numbers are read digit by digit."""

GROUPED = r"\d{1,3}(?:,\d{3})++"
"""A pattern for an integer with commas between thousands."""

AMOUNT = rf"(?:{GROUPED}|\d++)(?:\.\d++)?|\.\d++"
"""A pattern for a number without a sign."""

_ARTICLE = re.compile(r"(?:^|\s)(?:[Aa]n?) $")
_NOUN = re.compile(r" (?!an?\b|and\b|or\b|of\b|in\b|to\b|per\b|for\b|each\b)[a-z]{3}")
_ONES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


def cardinal(digits: str) -> str:
    """Return the words for an integer, digit by digit if it is long or has leading zeros."""
    digits = digits.replace(",", "")
    if len(digits) > LONGEST_NUMBER or re.fullmatch(r"0\d+", digits):
        return digit_by_digit(digits)
    return str(num2words(int(digits)))


def amount(figures: str) -> str:
    """Return the words for what AMOUNT matches, such as 1,234.50: its decimals digit by digit."""
    whole, point, decimals = figures.partition(".")
    words = cardinal(whole) if whole else ""
    return f"{words} point {digit_by_digit(decimals)}".strip() if point else words


def ordinal(digits: str) -> str:
    """Return the ordinal of an integer: "21" gives twenty-first."""
    digits = digits.replace(",", "")
    if len(digits) > LONGEST_NUMBER:
        return digit_by_digit(digits)
    return str(num2words(int(digits), to="ordinal"))


def year(digits: str) -> str:
    """Return the words for a year: "1905" gives nineteen oh-five."""
    return str(num2words(int(digits), to="year"))


def digit_by_digit(figures: str) -> str:
    """Return the words for each digit, without what stands between them."""
    return " ".join(_ONES[int(digit)] for digit in figures if digit.isdigit())


def describes(match: re.Match[str]) -> bool:
    """Return whether a quantity describes the noun after it, as in "a 90 degree turn"."""
    before, after = match.string[max(0, match.start() - 3) : match.start()], match.string
    return bool(_ARTICLE.search(before)) and bool(_NOUN.match(after, match.end()))


def plural(noun: str) -> str:
    """Return the plural of an English number word or unit."""
    if noun.endswith("y"):
        return noun.removesuffix("y") + "ies"
    return noun + ("es" if noun.endswith(("x", "ch", "s")) else "s")
