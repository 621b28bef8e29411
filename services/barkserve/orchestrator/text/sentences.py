"""Where the next sentence of a growing text ends. Pure functions of the text, so that it does not
matter in which pieces the text arrived.

Every decision is made at one place of the text, from nothing behind that place: a sign that may end
a sentence is judged as soon as the first letter behind it is known, once and for all. The judge is
sentencex (Wikimedia's segmenter: maintained, made for every language that Bark speaks, tolerant of
half a text), behind a few rules for what it does not know.
"""

import re
import unicodedata
from dataclasses import dataclass

import sentencex

from barkserve.orchestrator.text.budget import Budget

_FULL = "。！？｡．।॥"  # end a sentence without a space behind them
_SPACED = ".!?…؟۔‽⁇⁈⁉"
_ASKING = "!?؟‽⁇⁈⁉"  # end a sentence unless it goes on with a small letter
_CLOSERS = "\"'”’»)]}」』）】》〉›*_`"
_CLAUSE_FULL = "、，；：—"
_CLAUSE_SPACED = ",;:!?…–-،)]}"  # no dot: it may be an abbreviation's
_PATIENCE = 12  # characters behind a sentence that may come before its next letter
_ORDINALS = ("de", "pl", "tr")  # write "3." for "third"
_MORE_ABBREVIATIONS = frozenset(
    {"approx", "dr", "dra", "fig", "figs", "godz", "mlle", "mme", "mr", "mrs", "ms", "prof"}
    | {"profa", "prov", "ul", "डॉ", "тов", "ул"}
)
_WORDS_TOO = ("may", "no")  # abbreviations to sentencex; with a number behind them to us
_LAST_WORD = re.compile(r"([^\s.(\[{\"'“‘«„¿¡]+)[.]$")
_ODD_SPACE = re.compile(r"[^\S \n]")
_BLANK_LINE = re.compile(r"\n[^\S\n]*\n")


@dataclass
class _Pending:
    """A sign that may end a sentence: where it stands, and where the text goes on behind it."""

    sign: int
    end: int
    spaced: bool = False


def next_end(text: str, language: str, budget: Budget) -> int | None:
    """Where the sentence that the text begins with ends, or where it must be cut to be spoken.

    Args:
        text: from the sentence's first character to the last one known.
        language: a BCP 47 code; empty: guessed from the script.
        budget: what a sentence may cost before it is cut: at a clause, else a word, else anywhere.

    Returns:
        The index behind the sentence and the space that follows it; None while only more text can
        tell.
    """
    pending: _Pending | None = None
    cost = 0
    for index, sign in enumerate(text):
        if pending is not None and _goes_on(pending, index, sign, text):
            if _is_end(text[: index + 1], pending, language):
                return _skip_space(text, pending.end)
            pending = None
        if pending is None and sign in _FULL + _SPACED:
            pending = _Pending(index, index + 1)
        if sign == "\n" and _BLANK_LINE.search(text, max(0, text.rfind("\n", 0, index)), index + 1):
            return index + 1
        cost += budget.cost_of(sign)
        if cost > budget.limit:
            return forced_end(text, index, pending.end if pending else 0, budget)
    return None


def forced_end(text: str, room: int, sentence_end: int, budget: Budget) -> int:
    """Where to cut a text that is too long, at least one character behind its start.

    Args:
        text: more than there is room for.
        room: the characters of it that there is room for.
        sentence_end: a place where a sentence may have ended, 0 for none.
        budget: a clause that is shorter than a third of it is not worth a cut.
    """
    least = budget.limit // 3
    fits = text[:room]
    clause = last_clause(fits)
    for end in (sentence_end, clause):
        if 0 < end <= room and budget.cost(text[:end]) >= least:
            return end
    return max(_last_space(fits), clause) or _whole_characters(text, room)


def spoken_end(text: str, language: str) -> int:
    """How far a text can be spoken before more of it comes: to the last sentence or clause, else to
    the last word; 0 if there is no whole word.
    """
    body = text.rstrip()
    sign = len(body.rstrip(_CLOSERS)) - 1
    if sign >= 0 and body[sign] in _FULL + _SPACED:
        pending = _Pending(sign, len(body), True)
        if body[sign] in _FULL or _is_end(f"{body} A", pending, language):
            return len(text)
    if body and _script(body[-1]) in ("ja", "zh"):
        return len(text)
    return last_clause(text) or _last_space(text)


def last_clause(text: str) -> int:
    """Behind the last sign that ends a clause, and the space that follows it; 0 for none."""
    for index in range(len(text) - 1, -1, -1):
        sign = text[index]
        behind = text[index + 1 : index + 2]
        if sign in _CLAUSE_FULL + _FULL or sign == "\n":
            return _skip_space(text, index + 1)
        if sign in _CLAUSE_SPACED and behind.isspace():
            return _skip_space(text, index + 1)
    return 0


def guess_language(text: str) -> str:
    """The language whose script the text is in; English for Latin letters."""
    scripts = {_script(sign) for sign in text}
    for language in ("ja", "ko", "zh", "hi", "ru"):
        if language in scripts:
            return language
    return "en"


def _goes_on(pending: _Pending, index: int, sign: str, text: str) -> bool:
    """Whether the text has gone on behind a pending end; until then the end grows by closing signs
    and space.
    """
    if sign.isspace():
        pending.spaced = True
        return False
    closes = not pending.spaced and sign in _CLOSERS + _FULL + _SPACED
    if closes or (sign == "»" and text.count("«", 0, index) > text.count("»", 0, index)):
        pending.end = index + 1
        return False
    if not pending.spaced and text[pending.sign] in _SPACED:
        return True  # "3.5", "example.com": judged, and found to be no end
    far = index - pending.end >= _PATIENCE
    return far or unicodedata.category(sign)[0] in "LN" or sign in _FULL + _SPACED


def _is_end(text: str, pending: _Pending, language: str) -> bool:
    """Whether a sentence ends at the pending sign.

    Args:
        text: the sentence, and behind it the next up to its first letter.
        pending: the sign.
        language: a BCP 47 code, or empty.
    """
    if text[pending.sign] in _FULL:
        return True
    if not pending.spaced or text[-1].islower():
        return False
    if text[pending.sign] in _ASKING:
        return True
    known = language.split("-")[0].lower() or guess_language(text)
    if text[pending.sign] == ".":
        match = _LAST_WORD.search(text[: pending.sign + 1])
        word = match[1] if match else ""
        if _abbreviates(word, text[: pending.sign - len(word)], known):
            return False
        if word.lower() in _WORDS_TOO:
            return not text[-1].isdecimal()
    return any(pending.sign < end < len(text) for end in _ends(text, known))


def _ends(text: str, language: str) -> list[int]:
    """Where sentencex sees sentences end. It takes every space for one byte and panics when it cuts
    a longer one in two, and a panic passes through every `except Exception`.
    """
    plain = _ODD_SPACE.sub(" ", text)
    try:
        return [each["end_index"] for each in sentencex.get_sentence_boundaries(language, plain)]
    except BaseException as error:
        if type(error).__name__ != "PanicException":
            raise
        return []


def _abbreviates(word: str, before: str, language: str) -> bool:
    """Whether the dot behind a word is that of an abbreviation, an initial or an ordinal number,
    where sentencex would take it for a full stop.

    Args:
        word: without its dot.
        before: the sentence before it.
        language: a BCP 47 code.
    """
    if word.isdecimal():
        return len(word) <= 2 and (not before.strip() or language in _ORDINALS)
    if len(word) == 1:
        return word.isupper() and word != "I"
    return word.lower() in _MORE_ABBREVIATIONS


def _last_space(text: str) -> int:
    """Behind the last space that has something before it; 0 for none."""
    for index in range(len(text) - 1, 0, -1):
        if text[index].isspace() and text[:index].strip():
            return index + 1
    return 0


def _skip_space(text: str, index: int) -> int:
    while index < len(text) and text[index].isspace():
        index += 1
    return index


def _whole_characters(text: str, room: int) -> int:
    """The last place up to `room` that parts no character from the marks on it, if one is near."""
    for end in range(room, max(0, room - 16), -1):
        if unicodedata.category(text[end]) not in ("Mn", "Mc", "Me", "Cf", "Sk"):
            return end
    return max(1, room)


def _script(sign: str) -> str:
    point = ord(sign)
    if 0x3040 <= point <= 0x30FF:
        return "ja"
    if 0x3400 <= point <= 0x9FFF or 0xF900 <= point <= 0xFAFF or point >= 0x20000:
        return "zh"
    if 0xAC00 <= point <= 0xD7AF:
        return "ko"
    if 0x0900 <= point <= 0x097F:
        return "hi"
    return "ru" if 0x0400 <= point <= 0x052F else ""
