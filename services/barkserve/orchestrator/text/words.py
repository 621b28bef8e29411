"""Finds the words of a text as a caption would show them.

A word is the text between spaces, without punctuation around it. In scripts without spaces, each
character is a word.
"""

import re
from dataclasses import dataclass

from barkserve.speakable import speakable

# Kana and Han characters, each with the marks that lengthen, repeat or voice it.
_SINGLE = "\u3041-\u3096\u30a1-\u30fa\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003fffd"
_MARKS = "\u3005\u3099\u309a\u309d\u309e\u30fc\u30fd\u30fe\ufe00-\ufe0f"
_WORD = re.compile(rf"\[[^\]\[\n]*\]|[{_SINGLE}][{_MARKS}]*|[^\s\[{_SINGLE}]+|\[")

_LEADING = re.compile(r"^(?:-(?!\d)|[\"'“”‘’‚„«»‹›(\[{¿¡*_~#|<>–—…、。「『（，！？：；])+")
_TRAILING = re.compile(r"[\"'“”‘’‚„«»‹›)\]}.,:;?!*_~|<>–—…、。「」『』（）！？：；，।\-]+$")


@dataclass(frozen=True)
class Word:
    """A word.

    Attributes:
        text: the word.
        start: index of its first character in the text.
    """

    text: str
    start: int

    @property
    def end(self) -> int:
        """The index after its last character."""
        return self.start + len(self.text)


def find_words(text: str) -> list[Word]:
    """Return the words that can be spoken, in order. A [cue] is a word, with its brackets."""
    words = []
    for match in _WORD.finditer(text):
        start, word = match.start(), match[0]
        if not word.startswith("["):
            bare = _LEADING.sub("", word)
            start += len(word) - len(bare)
            word = _TRAILING.sub("", bare)
        if speakable(word):
            words.append(Word(word, start))
    return words
