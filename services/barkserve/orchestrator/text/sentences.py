"""Finds the next sentence end in a growing text.

All functions depend on the text alone, so it does not matter how the text was split on arrival. A
mark that may end a sentence is judged once, when the first letter after it is known. A few rules
come first. Then sentencex decides, Wikimedia's segmenter for every language that Bark speaks.
"""

import re
import unicodedata
from dataclasses import dataclass

import sentencex

from barkserve.orchestrator.text.budget import Budget

_FULL = "。！？｡．।॥"  # end a sentence even without a space after them
_SPACED = ".!?…؟۔‽⁇⁈⁉"  # end a sentence if a space follows
_EMPHATIC = "!?؟‽⁇⁈⁉"  # end a sentence unless a lowercase letter follows
_CLOSERS = "\"'”’»)]}」』）】》〉›*_`"
_CLAUSE_FULL = "、，；：—"
_CLAUSE_SPACED = ",;:!?…–-،)]}"  # no period: it may end an abbreviation
_MAX_UNDECIDED = 12  # characters to wait for the first letter after a possible end
_ORDINAL_LANGUAGES = ("de", "pl", "tr")  # write "3." for "third"
_ABBREVIATIONS = frozenset(
    {"approx", "dr", "dra", "fig", "figs", "godz", "mlle", "mme", "mr", "mrs", "ms", "prof"}
    | {"profa", "prov", "ul", "डॉ", "тов", "ул"}
)
_NUMBER_ABBREVIATIONS = ("may", "no")  # sentencex: abbreviations; here only before a number
_LAST_WORD = re.compile(r"([^\s.(\[{\"'“‘«„¿¡]+)[.]$")
_LONG_SPACE = re.compile(r"[^\S \n]")
_BLANK_LINE = re.compile(r"\n[^\S\n]*\n")


@dataclass
class _PossibleEnd:
    """A mark that may end a sentence.

    Attributes:
        mark: its index.
        end: index after it and the closing marks that follow.
        spaced: whether a space follows.
    """

    mark: int
    end: int
    spaced: bool = False


def next_end(text: str, language: str, budget: Budget) -> int | None:
    """Find where the first sentence of a text ends, or where it must be split.

    Args:
        text: from the first character of the sentence to the last known one.
        language: a BCP 47 code; empty: guessed from the script.
        budget: the largest cost of a sentence. A longer one is split at a clause, else a word,
            else anywhere.

    Returns:
        The index after the sentence and the space that follows it; None if more text is needed.
    """
    possible: _PossibleEnd | None = None
    cost = 0
    for index, character in enumerate(text):
        if possible is not None and _is_decided(possible, index, character, text):
            if _is_end(text[: index + 1], possible, language):
                return _skip_space(text, possible.end)
            possible = None
        if possible is None and character in _FULL + _SPACED:
            possible = _PossibleEnd(index, index + 1)
        if character == "\n" and _BLANK_LINE.search(
            text, max(0, text.rfind("\n", 0, index)), index + 1
        ):
            return index + 1
        cost += budget.character_cost(character)
        if cost > budget.limit:
            return forced_end(text, index, possible.end if possible else 0, budget)
    return None


def forced_end(text: str, fitting: int, sentence_end: int, budget: Budget) -> int:
    """Find where to split a text that is too long, at least one character after its start.

    Args:
        text: more than fits.
        fitting: the number of its characters that fit.
        sentence_end: an index where a sentence may have ended, 0 for none.
        budget: a clause is used only if it costs at least a third of the limit.
    """
    min_cost = budget.limit // 3
    clause = last_clause(text[:fitting])
    for end in (sentence_end, clause):
        if 0 < end <= fitting and budget.cost(text[:end]) >= min_cost:
            return end
    return max(_last_space(text[:fitting]), clause) or _character_boundary(text, fitting)


def early_end(text: str, language: str) -> int:
    """Find how much of a text can be spoken before more of it arrives.

    Returns:
        The end of the last sentence or clause, else of the last complete word, else 0.
    """
    stripped = text.rstrip()
    mark = len(stripped.rstrip(_CLOSERS)) - 1
    if mark >= 0 and stripped[mark] in _FULL + _SPACED:
        possible = _PossibleEnd(mark, len(stripped), True)
        if stripped[mark] in _FULL or _is_end(f"{stripped} A", possible, language):
            return len(text)
    if stripped and _script_language(stripped[-1]) in ("ja", "zh"):
        return len(text)
    return last_clause(text) or _last_space(text)


def last_clause(text: str) -> int:
    """Return the index after the last clause and the space that follows it, 0 for none."""
    for index in range(len(text) - 1, -1, -1):
        character = text[index]
        following = text[index + 1 : index + 2]
        if character in _CLAUSE_FULL + _FULL or character == "\n":
            return _skip_space(text, index + 1)
        if character in _CLAUSE_SPACED and following.isspace():
            return _skip_space(text, index + 1)
    return 0


def guess_language(text: str) -> str:
    """Guess the language from the script of a text; English for Latin letters."""
    languages = {_script_language(character) for character in text}
    for language in ("ja", "ko", "zh", "hi", "ru"):
        if language in languages:
            return language
    return "en"


def _is_decided(possible: _PossibleEnd, index: int, character: str, text: str) -> bool:
    """Whether a possible end can be judged; until then, closing marks and space extend it."""
    if character.isspace():
        possible.spaced = True
        return False
    closes = not possible.spaced and character in _CLOSERS + _FULL + _SPACED
    if closes or (character == "»" and text.count("«", 0, index) > text.count("»", 0, index)):
        possible.end = index + 1
        return False
    if not possible.spaced and text[possible.mark] in _SPACED:
        return True  # "3.5", "example.com": not an end
    if index - possible.end >= _MAX_UNDECIDED:
        return True
    return unicodedata.category(character)[0] in "LN" or character in _FULL + _SPACED


def _is_end(text: str, possible: _PossibleEnd, language: str) -> bool:
    """Whether a sentence ends at a mark.

    Args:
        text: the sentence, and the next one up to its first letter.
        possible: the mark.
        language: a BCP 47 code, or empty.
    """
    if text[possible.mark] in _FULL:
        return True
    if not possible.spaced or text[-1].islower():
        return False
    if text[possible.mark] in _EMPHATIC:
        return True
    known = language.split("-")[0].lower() or guess_language(text)
    if text[possible.mark] == ".":
        match = _LAST_WORD.search(text[: possible.mark + 1])
        word = match[1] if match else ""
        if _is_abbreviation(word, text[: possible.mark - len(word)], known):
            return False
        if word.lower() in _NUMBER_ABBREVIATIONS:
            return not text[-1].isdecimal()
    return any(possible.mark < end < len(text) for end in _sentencex_ends(text, known))


def _sentencex_ends(text: str, language: str) -> list[int]:
    """The sentence ends that sentencex finds.

    sentencex assumes that every space is one byte long. It panics when it cuts a longer one, and a
    panic is not an `Exception`.
    """
    plain = _LONG_SPACE.sub(" ", text)
    try:
        return [each["end_index"] for each in sentencex.get_sentence_boundaries(language, plain)]
    except BaseException as error:
        if type(error).__name__ != "PanicException":
            raise
        return []


def _is_abbreviation(word: str, before: str, language: str) -> bool:
    """Whether a period belongs to an abbreviation, an initial or an ordinal number.

    Covers the cases in which sentencex would find a sentence end.

    Args:
        word: the word before the period.
        before: the sentence before the word.
        language: a BCP 47 code.
    """
    if word.isdecimal():
        return len(word) <= 2 and (not before.strip() or language in _ORDINAL_LANGUAGES)
    if len(word) == 1:
        return word.isupper() and word != "I"
    return word.lower() in _ABBREVIATIONS


def _last_space(text: str) -> int:
    """The index after the last space that follows a word, 0 for none."""
    for index in range(len(text) - 1, 0, -1):
        if text[index].isspace() and text[:index].strip():
            return index + 1
    return 0


def _skip_space(text: str, index: int) -> int:
    while index < len(text) and text[index].isspace():
        index += 1
    return index


def _character_boundary(text: str, end: int) -> int:
    """The last index up to `end` that does not separate combining marks from their letter."""
    for index in range(end, max(0, end - 16), -1):
        if unicodedata.category(text[index]) not in ("Mn", "Mc", "Me", "Cf", "Sk"):
            return index
    return max(1, end)


def _script_language(character: str) -> str:
    """The language whose script a character belongs to, "" for Latin and others."""
    code_point = ord(character)
    if 0x3040 <= code_point <= 0x30FF:
        return "ja"
    if 0x3400 <= code_point <= 0x9FFF or 0xF900 <= code_point <= 0xFAFF or code_point >= 0x20000:
        return "zh"
    if 0xAC00 <= code_point <= 0xD7AF:
        return "ko"
    if 0x0900 <= code_point <= 0x097F:
        return "hi"
    return "ru" if 0x0400 <= code_point <= 0x052F else ""
