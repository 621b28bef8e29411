"""Estimates how much text one generation can speak.

There is no tokenizer here, so the estimate counts letters and leaves a margin. If a stage still
finds a segment too long, the segment is split in half.
"""

import json
from dataclasses import dataclass
from pathlib import Path

from barkserve.checkpoint.bark_config import BarkConfig

LETTERS_PER_SECOND = 12.5
"""An unhurried speaking rate in Latin script: 150 words per minute with five letters per word."""
MAX_SEGMENT_S = 13.0
"""The audio that one generation can make without a loss of quality. Suno's README states it: Bark
"works well with around 13 seconds of spoken text"."""
_POSITIONS_SHARE = 0.8  # of the prompt's positions; the rest is a margin for the tokenizer

_SYMBOLS = frozenset("$€£¥%&@#+=*/<>^~|_°§")
# First and last code point, letters that take as long to say, letters in the romanized spelling.
_SCRIPTS = (
    (0x0400, 0x052F, 1, 2),  # Cyrillic
    (0x0590, 0x06FF, 1, 3),  # Hebrew, Arabic
    (0x0900, 0x0DFF, 1, 3),  # the scripts of India
    (0x0E00, 0x0EFF, 1, 3),  # Thai, Lao
    (0x1100, 0x11FF, 2, 4),  # Hangul, decomposed
    (0x3040, 0x30FF, 2, 3),  # kana
    (0x3400, 0x9FFF, 3, 6),  # Han
    (0xAC00, 0xD7AF, 3, 5),  # Hangul
    (0xF900, 0xFAFF, 3, 6),  # Han
    (0x20000, 0x3FFFF, 3, 6),  # Han
)


@dataclass(frozen=True)
class Budget:
    """The size of a segment.

    Attributes:
        limit: the largest cost of a segment, in letters or what takes as long to say.
        letters_only: whether the tokenizer knows letters only. Digits, symbols and other scripts
            then cost as many letters as their spelling has.
        joins: whether short sentences are joined to one segment. A checkpoint with a letters-only
            tokenizer was trained on single sentences: bark-mini stops after the first of two.
    """

    limit: int
    letters_only: bool = False
    joins: bool = True

    @classmethod
    def from_config(cls, config: BarkConfig, *, letters_only: bool) -> "Budget":
        """Return the budget of a checkpoint: about 13 s, within the positions of its prompt."""
        generation = config.semantic_generation
        seconds = min(MAX_SEGMENT_S, generation.max_new_tokens / generation.semantic_rate_hz)
        letters = min(
            seconds * LETTERS_PER_SECOND, generation.max_input_semantic_length * _POSITIONS_SHARE
        )
        return cls(max(8, int(letters)), letters_only, joins=not letters_only)

    def cost(self, text: str) -> int:
        """Return the cost of a text."""
        return sum(map(self.character_cost, text))

    def character_cost(self, character: str) -> int:
        """Return the cost of one character, at least 1."""
        if character.isascii() and (character.isalpha() or character == " "):
            return 1
        if character.isdecimal():
            return 9 if self.letters_only else 5
        if character in _SYMBOLS:
            return 8
        code_point = ord(character)
        for first, last, spoken, spelled in _SCRIPTS:
            if first <= code_point <= last:
                return spelled if self.letters_only else spoken
        return 1


def has_letters_only_tokenizer(folder: Path) -> bool:
    """Return whether a checkpoint's tokenizer has no digits, so that text must be spelled out."""
    try:
        words = (folder / "vocab.txt").read_text(encoding="utf-8").split("\n")
    except (OSError, ValueError):
        words = _read_json_vocabulary(folder / "tokenizer.json")
    return bool(words) and "0" not in words


def _read_json_vocabulary(file: Path) -> list[str]:
    """The words of a tokenizer.json; empty if it is missing or does not list words."""
    try:
        vocabulary = json.loads(file.read_text(encoding="utf-8"))["model"]["vocab"]
    except (OSError, ValueError, KeyError, TypeError):
        return []
    return list(vocabulary) if isinstance(vocabulary, dict) else []
