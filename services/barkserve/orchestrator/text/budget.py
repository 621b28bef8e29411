"""How much text one utterance can hold. Knows checkpoints' numbers and scripts; knows no tokenizer,
so it counts in letters and leaves room: a stage that still refuses a piece gets it in halves.
"""

import json
from dataclasses import dataclass
from pathlib import Path

from barkserve.checkpoint.bark_config import BarkConfig

LETTERS_A_SECOND = 12.5  # of unhurried speech in Latin script
LONGEST_S = 13.0  # of speech that Bark holds together in one generation
_ROOM = 0.8  # the share of a limit that is planned with

_SIGNS = frozenset("$€£¥%&@#+=*/<>^~|_°§")
# First and last code point, letters that a sign's speech is worth, letters it is spelled in.
_SCRIPTS = (
    (0x0400, 0x052F, 1, 2),  # Cyrillic
    (0x0590, 0x06FF, 1, 3),  # Hebrew, Arabic
    (0x0900, 0x0DFF, 1, 3),  # the scripts of India
    (0x0E00, 0x0EFF, 1, 3),  # Thai, Lao
    (0x1100, 0x11FF, 2, 4),  # Hangul, in parts
    (0x3040, 0x30FF, 2, 3),  # kana
    (0x3400, 0x9FFF, 3, 6),  # Han
    (0xAC00, 0xD7AF, 3, 5),  # Hangul
    (0xF900, 0xFAFF, 3, 6),  # Han
    (0x20000, 0x3FFFF, 3, 6),  # Han
)


@dataclass(frozen=True)
class Budget:
    """What a piece of text may cost.

    Attributes:
        limit: letters, or what takes as long to say.
        spelled: the tokenizer knows letters only, so digits, signs and other scripts count with the
            letters that they are spelled out in.
        joins: several short sentences make a piece. Checkpoints whose tokenizer knows letters only
            were taught one sentence at a time: bark-mini stops at the first full stop of two.
    """

    limit: int
    spelled: bool = False
    joins: bool = True

    @classmethod
    def of(cls, config: BarkConfig, *, spelled: bool) -> "Budget":
        """The budget of a checkpoint: about 13 s, and never more letters than its prompt has
        positions.
        """
        generation = config.semantic_generation
        seconds = min(LONGEST_S, generation.max_new_tokens / generation.semantic_rate_hz)
        letters = min(seconds * LETTERS_A_SECOND, generation.max_input_semantic_length * _ROOM)
        return cls(max(8, int(letters)), spelled, joins=not spelled)

    def cost(self, text: str) -> int:
        """What a text costs."""
        return sum(map(self.cost_of, text))

    def cost_of(self, sign: str) -> int:
        """What one character costs, at least 1."""
        if sign.isascii() and (sign.isalpha() or sign == " "):
            return 1
        if sign.isdecimal():
            return 9 if self.spelled else 5
        if sign in _SIGNS:
            return 8
        point = ord(sign)
        for first, last, spoken, spelled in _SCRIPTS:
            if first <= point <= last:
                return spelled if self.spelled else spoken
        return 1


def spells_out(folder: Path) -> bool:
    """Whether a checkpoint's tokenizer lacks the digits, so that its text is spelled out in
    letters.
    """
    try:
        words = (folder / "vocab.txt").read_text(encoding="utf-8").split("\n")
    except (OSError, ValueError):
        words = _json_words(folder / "tokenizer.json")
    return bool(words) and "0" not in words


def _json_words(file: Path) -> list[str]:
    """The words of a tokenizer.json; none if it is missing or of a kind that has no list of
    words.
    """
    try:
        vocabulary = json.loads(file.read_text(encoding="utf-8"))["model"]["vocab"]
    except (OSError, ValueError, KeyError, TypeError):
        return []
    return list(vocabulary) if isinstance(vocabulary, dict) else []
