"""The letter tokenizer: a WordPiece vocabulary of single letters."""

import string
from pathlib import Path

from training.config import CHARACTERS

SPECIALS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")


def vocabulary() -> list[str]:
    """Return the WordPiece entries: letters that start or continue a word, and punctuation."""
    return [
        *SPECIALS,
        *CHARACTERS,
        *(f"##{letter}" for letter in string.ascii_lowercase),
    ]


class LetterTokenizer:
    """Tokenizes lower-case letters and punctuation as transformers' BertTokenizer does."""

    def __init__(self) -> None:
        self._ids = {entry: index for index, entry in enumerate(vocabulary())}

    def __call__(self, text: str) -> list[tuple[int, int]]:
        """Return pairs of a token id and the index of its letter in `text`."""
        result, inside = [], False
        for index, letter in enumerate(text):
            if letter.isspace():
                inside = False
                continue
            word = letter in string.ascii_lowercase
            entry = f"##{letter}" if word and inside else letter
            result.append((self._ids.get(entry, self._ids["[UNK]"]), index))
            inside = word
        return result


def save_vocabulary(path: Path) -> None:
    path.write_text("\n".join(vocabulary()) + "\n")
