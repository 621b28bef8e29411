"""The words of a text, as a caption would show them: what stands between spaces, without the marks
around it; sign by sign in scripts that write no spaces. Knows no language and no sound.
"""

import re
from dataclasses import dataclass

from barkserve.speakable import speakable

# Kana, Han: each sign by itself, with the marks that lengthen, repeat or voice it.
_ALONE = "\u3041-\u3096\u30a1-\u30fa\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003fffd"
_JOINED = "\u3005\u3099\u309a\u309d\u309e\u30fc\u30fd\u30fe\ufe00-\ufe0f"
_WORD = re.compile(rf"\[[^\]\[\n]*\]|[{_ALONE}][{_JOINED}]*|[^\s\[{_ALONE}]+|\[")

_BEFORE = re.compile(r"^(?:-(?!\d)|[\"'“”‘’‚„«»‹›(\[{¿¡*_~#|<>–—…、。「『（，！？：；])+")
_BEHIND = re.compile(r"[\"'“”‘’‚„«»‹›)\]}.,:;?!*_~|<>–—…、。「」『』（）！？：；，।\-]+$")


@dataclass(frozen=True)
class Word:
    """A word and where it stands, in characters of the text."""

    text: str
    start: int

    @property
    def end(self) -> int:
        """Behind its last character."""
        return self.start + len(self.text)


def find_words(text: str) -> list[Word]:
    """The words that can be spoken, in order. A [cue] is one, with its brackets."""
    words = []
    for match in _WORD.finditer(text):
        start, word = match.start(), match[0]
        if not word.startswith("["):
            bare = _BEFORE.sub("", word)
            start += len(word) - len(bare)
            word = _BEHIND.sub("", bare)
        if speakable(word):
            words.append(Word(word, start))
    return words
