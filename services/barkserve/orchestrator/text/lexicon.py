"""Replaces words by their readings, and keeps the position of each character."""

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

_NO_SPACES = ("CJK", "HIRAGANA", "KATAKANA", "THAI", "LAO", "KHMER", "MYANMAR")
"""Scripts that put no space between words, as in the Unicode names of their letters."""

_APOSTROPHES = "'\u2019"


@dataclass(frozen=True)
class Entry:
    """How a word is read.

    Attributes:
        word: the word as it is written.
        reading: what is read in its place.
        match_case: whether upper and lower case must be as in `word`.
    """

    word: str
    reading: str
    match_case: bool = False


@dataclass(frozen=True)
class Reading:
    """A text with its words replaced.

    Attributes:
        text: what is read.
        source: for each of its characters the index in the original text, which never decreases;
            empty if nothing was replaced.
    """

    text: str
    source: Sequence[int] = ()

    def position(self, index: int) -> int:
        """The index in the original text that a character of `text` stands for."""
        return self.source[index] if self.source else index


@dataclass
class _Node:
    """Entries that begin with the same characters, without upper and lower case."""

    following: "dict[str, _Node]" = field(default_factory=dict)
    entries: list[Entry] = field(default_factory=list)


class Lexicon:
    """Entries by their words. Looking for them takes time in proportion to the text.

    Args:
        entries: each word at most once with each value of `match_case`.
    """

    def __init__(self, entries: Iterable[Entry]) -> None:
        self._root = _Node()
        for entry in entries:
            node = self._root
            for character in entry.word:
                node = node.following.setdefault(character.casefold(), _Node())
            node.entries.append(entry)

    def longest(self, text: str, start: int) -> Entry | None:
        """The longest entry whose word is at `start` as a whole word, None without one."""
        node, end, found = self._root, start, None
        while end < len(text):
            character = " " if text[end].isspace() else text[end].casefold()
            if (following := node.following.get(character)) is None:
                break
            node, end = following, end + 1
            if node.entries and _is_boundary(text, end):
                found = _matching(node.entries, text[start:end]) or found
        return found


def read_words(text: str, lexicons: Sequence[Lexicon]) -> Reading:
    """Replace all words of some lexicons. Of two equally long words, the first lexicon's counts."""
    pieces: list[str] = []
    source: list[int] = []
    place = done = 0
    while lexicons and place < len(text):
        found = [each.longest(text, place) for each in lexicons if _is_boundary(text, place)]
        entry = max(filter(None, found), key=lambda each: len(each.word), default=None)
        if entry is None:
            place += 1
            continue
        length, reading = len(entry.word), entry.reading
        pieces += (text[done:place], reading)
        source += range(done, place)
        source += (place + index * length // len(reading) for index in range(len(reading)))
        done = place = place + length
    if not pieces:
        return Reading(text)
    return Reading("".join((*pieces, text[done:])), (*source, *range(done, len(text))))


def _matching(entries: Iterable[Entry], word: str) -> Entry | None:
    """The entry for a word as it is written; one that must match its case comes first."""
    for entry in sorted(entries, key=lambda each: not each.match_case):
        if not entry.match_case or entry.word == word:
            return entry
    return None


def _is_boundary(text: str, index: int) -> bool:
    """Whether a word may begin or end between the characters before and at an index."""
    if index in (0, len(text)):
        return True
    before, after = text[index - 1], text[index]
    if _is_in_word(before) and _is_in_word(after):
        return _has_no_spaces(before) or _has_no_spaces(after)
    if after in _APOSTROPHES and _is_in_word(before):  # "don" is not a word in "don't"
        rest = text[index + 1 : index + 3]
        return not rest[:1].isalpha() or (rest[0] in "sS" and not rest[1:].isalpha())
    return True


def _is_in_word(character: str) -> bool:
    return character.isalnum() or character == "_" or unicodedata.category(character)[0] == "M"


def _has_no_spaces(character: str) -> bool:
    return not character.isascii() and unicodedata.name(character, "").startswith(_NO_SPACES)
