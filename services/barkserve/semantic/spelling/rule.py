"""A rule: what in a text is read in another way than it is written."""

import re
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Rule:
    """A kind of writing and its reading.

    Attributes:
        pattern: what is written.
        reading: the words, or a function of the match that returns them.
    """

    pattern: re.Pattern[str]
    reading: str | Callable[[re.Match[str]], str]


Rules = tuple[Rule, ...]


def rule(pattern: str, reading: str | Callable[[re.Match[str]], str]) -> Rule:
    """Return a rule whose pattern distinguishes upper and lower case."""
    return Rule(re.compile(pattern), reading)


def any_case(pattern: str, reading: str | Callable[[re.Match[str]], str]) -> Rule:
    """Return a rule whose pattern does not distinguish upper and lower case."""
    return Rule(re.compile(pattern, re.IGNORECASE), reading)


def one_of(words: dict[str, str]) -> str:
    """Return a pattern for one of the keys, the longest first."""
    return "(?:" + "|".join(map(re.escape, sorted(words, key=len, reverse=True))) + ")"
