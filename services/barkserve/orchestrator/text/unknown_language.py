"""Finds text in a language that a checkpoint does not speak."""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

_LETTERS = re.compile(r"[^\W\d_\x00-\x7f]+")
# The first word of a letter's Unicode name, with the languages of the script. Scripts of too many
# languages, such as Latin, are left out.
_SCRIPTS = {
    "ARABIC": ("ar", "fa", "ur"),
    "ARMENIAN": ("hy",),
    "BENGALI": ("bn", "as"),
    "CJK": ("zh", "ja"),
    "CYRILLIC": ("ru", "uk", "bg", "sr", "be", "mk", "kk"),
    "DEVANAGARI": ("hi", "mr", "ne"),
    "ETHIOPIC": ("am", "ti"),
    "GEORGIAN": ("ka",),
    "GREEK": ("el",),
    "GUJARATI": ("gu",),
    "GURMUKHI": ("pa",),
    "HANGUL": ("ko",),
    "HEBREW": ("he", "yi"),
    "HIRAGANA": ("ja",),
    "KANNADA": ("kn",),
    "KATAKANA": ("ja",),
    "KHMER": ("km",),
    "LAO": ("lo",),
    "MALAYALAM": ("ml",),
    "MYANMAR": ("my",),
    "SINHALA": ("si",),
    "TAMIL": ("ta",),
    "TELUGU": ("te",),
    "THAI": ("th",),
    "TIBETAN": ("bo",),
}
_SINGLE = ("CJK", "HIRAGANA", "KATAKANA", "HANGUL")  # scripts whose letters are words or syllables
_NAMES = {"CJK": "Chinese characters"}
_MOST_NAMED = 5  # languages in a message


@dataclass(frozen=True)
class UnknownLanguage:
    """Text in a language that the checkpoint does not speak.

    Attributes:
        message: for people.
        start: index of its first character.
        end: the index after its last one.
    """

    message: str
    start: int
    end: int


def unknown_language(text: str, language: str, languages: Sequence[str]) -> UnknownLanguage | None:
    """Return the first text in another language, if there is any.

    Args:
        text: of one segment.
        language: BCP 47 code that the client gave; may be empty.
        languages: BCP 47 codes of what the checkpoint speaks; empty if unknown.
    """
    known = {_base(code) for code in languages}
    if not known:
        return None
    if language and _base(language) not in known:
        message = f"this checkpoint does not speak {language}: {_advice(languages)}"
        return UnknownLanguage(message, 0, len(text))
    for match in _LETTERS.finditer(text):
        script = unicodedata.name(match[0][0], "").partition(" ")[0].partition("-")[0]
        if script not in _SCRIPTS or known.intersection(_SCRIPTS[script]):
            continue
        if len(match[0]) > 1 or script in _SINGLE:  # a Greek letter alone is a sign
            name = _NAMES.get(script, f"{script.title()} letters")
            message = f"this checkpoint has not learned {name}: {_advice(languages)}"
            return UnknownLanguage(message, match.start(), match.end())
    return None


def _base(code: str) -> str:
    return code.lower().partition("-")[0]


def _advice(languages: Sequence[str]) -> str:
    named = ", ".join(languages[:_MOST_NAMED]) + (", ..." if len(languages) > _MOST_NAMED else "")
    return f"it speaks {named}. Use another checkpoint"
