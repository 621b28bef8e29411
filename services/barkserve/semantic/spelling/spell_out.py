"""Spells a text out, by rules for each kind of writing in a fixed order."""

from barkserve.semantic.spelling import (
    abbreviations,
    clock,
    dates,
    latex,
    markup,
    money,
    numbers,
    roman,
    signs,
    telephone,
    units,
    web,
)
from barkserve.semantic.spelling.rule import Rules, rule
from barkserve.semantic.text_with_offsets import TextWithOffsets

_READ_FIRST: Rules = (
    *latex.RULES,
    *signs.TYPOGRAPHY,
    *markup.RULES,
    *web.RULES,
    *money.RULES,
    *dates.DECADES,
    *abbreviations.DIRECTIONS,
    *signs.BEFORE_ASCII,
    *units.RULES,
)
"""Rules for signs that anyascii would replace by letters."""

_READ_IN_ASCII: Rules = (
    *abbreviations.RULES,
    *telephone.RULES,
    *dates.RULES,
    *clock.RULES,
    *roman.RULES,
    *numbers.RULES,
    *signs.REMAINING,
)

_SIMPLIFY: Rules = (
    rule(r"[;:]++(?=\w)", ", "),
    rule("[;:]++", ","),
    rule(r"[^a-zA-Z.,?!'\- ]", " "),
    rule(r"(?<!\S)-++(?!\S)", " "),
    rule(r"\s+", " "),
    rule(r" (?=[.,?!])", ""),
    # Such a checkpoint stops at the first full stop, even inside a text.
    rule(r"(?<![a-zA-Z])([a-zA-Z])\.(?= ?[a-zA-Z])", lambda match: f"{match[1]} "),
    # Possessive, because backtracking takes quadratic time.
    rule(r"(?<=[a-zA-Z]),*+[.?!][.?!, ]*+(?=[a-zA-Z])", ", "),
    rule(r"\s+", " "),
)


def spell_out(text: str) -> TextWithOffsets:
    """Reduce a text to the letters a to z and A to Z, spaces and . , ? ! ' - only.

    Digits, signs, abbreviations and other scripts become words. [cues] and note signs, which such
    a checkpoint cannot perform, are removed. The result is empty if nothing can be spoken.
    """
    spoken = _apply(_READ_FIRST, TextWithOffsets.from_text(text))
    spoken = _apply(_READ_IN_ASCII, spoken.each(signs.in_ascii))
    return _apply(_SIMPLIFY, spoken).strip()


def _apply(rules: Rules, text: TextWithOffsets) -> TextWithOffsets:
    for each in rules:
        text = text.sub(each.pattern, each.reading)
    return text
