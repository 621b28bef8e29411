"""Text to token ids: Suno's normalization, then the checkpoint's own tokenizer."""

import re
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import Encoding, Tokenizer, models, normalizers, pre_tokenizers

from barkserve.checkpoint.folder import CheckpointFolder, read_json_object
from barkserve.errors import CheckpointError, NothingToSpeak, TextTooLong
from barkserve.semantic.spelling.spell_out import spell_out
from barkserve.semantic.spelling.unreadable import unreadable
from barkserve.semantic.text_with_offsets import TextWithOffsets
from barkserve.speakable import speakable

_FIELD = "text"
_CHARACTERS_PER_TOKEN = 8
"""A text with more characters for each position of the prompt is too long, whatever its tokens."""
_SPACE = re.compile(r"\s+")

# BERT's special tokens in vocab.txt, under their names in tokenizer_config.json.
_SPECIAL = {
    "unk_token": "[UNK]",
    "sep_token": "[SEP]",
    "pad_token": "[PAD]",
    "cls_token": "[CLS]",
    "mask_token": "[MASK]",
}


class TextEncoder:
    """Encodes texts as BarkProcessor does. Thread-safe.

    Args:
        folder: the checkpoint.

    Raises:
        CheckpointError: the tokenizer is missing, broken or too large.
    """

    def __init__(self, folder: CheckpointFolder) -> None:
        generation = folder.bark.semantic_generation
        self._offset = generation.text_encoding_offset
        self._limit = generation.max_input_semantic_length
        self._max_characters = self._limit * _CHARACTERS_PER_TOKEN
        self._tokenizer = load_tokenizer(folder)
        # Suno's tokenizer knows digits and every script; bark-mini's knows the letters a to z.
        self._prepare = normalize if self._tokenizer.token_to_id("0") is not None else spell_out
        highest = max(self._tokenizer.get_vocab().values(), default=-1)
        if self._offset + highest >= folder.bark.semantic.input_vocab_size:
            raise CheckpointError(
                f"checkpoint {folder.path}: its tokenizer has {highest + 1} tokens, too many for"
                " the semantic model's input_vocab_size"
            )

    def encode(self, text: str) -> NDArray[np.int64]:
        """Encode a text.

        Args:
            text: any text.

        Returns:
            (n,) ids in the semantic model's vocabulary, 1 <= n <= max_input_semantic_length.

        Raises:
            NothingToSpeak: nothing in the text can be spoken.
            TextTooLong: the text does not fit into one prompt.
        """
        if len(text) > self._max_characters:
            raise TextTooLong(
                _FIELD,
                f"{len(text)} characters, at most {self._max_characters} are spoken in one go: "
                "split the text",
            )
        if not speakable(text):
            raise NothingToSpeak(_FIELD, "nothing to speak: give a letter, a digit or a note sign")
        prepared = self._prepare(text).text
        ids = self._tokenize(prepared).ids
        if not ids or not speakable(prepared):
            raise NothingToSpeak(_FIELD, "nothing in it that this checkpoint can speak")
        if len(ids) > self._limit:
            raise TextTooLong(
                _FIELD,
                f"{len(ids)} tokens, at most {self._limit} are spoken in one go: split the text",
            )
        return np.asarray(ids, np.int64) + self._offset

    def locate(self, text: str) -> NDArray[np.int64]:
        """Return the index of the first character of each of encode()'s ids, (n,)."""
        prepared = self._prepare(text)
        starts = [start for start, _ in self._tokenize(prepared.text).offsets]
        return np.array([prepared.source[start] for start in starts], np.int64)

    def skipped(self, text: str) -> list[tuple[int, int]]:
        """Return the parts of a text that encode() passes over, first and last + 1 character."""
        if self._prepare is spell_out:
            return unreadable(text)
        prepared, model = normalize(text), self._tokenizer.model
        unknown = self._tokenizer.token_to_id(getattr(model, "unk_token", None) or "[UNK]")
        encoding = self._tokenize(prepared.text)
        return [
            (prepared.source[start], prepared.source[end - 1] + 1)
            for number, (start, end) in zip(encoding.ids, encoding.offsets, strict=True)
            if number == unknown
        ]

    def last_spoken(self, text: str) -> int:
        """Return the index of the last of encode()'s ids that stands for a spoken character."""
        spoken = [speakable(text[place]) for place in self.locate(text)]
        return max((index for index, each in enumerate(spoken) if each), default=len(spoken) - 1)

    def _tokenize(self, prepared: str) -> Encoding:
        return self._tokenizer.encode(prepared, add_special_tokens=False)


def normalize(text: str) -> TextWithOffsets:
    """Collapse white space to single spaces and strip both ends, as Suno does."""
    return TextWithOffsets.from_text(text).sub(_SPACE, " ").strip()


def load_tokenizer(folder: CheckpointFolder) -> Tokenizer:
    """Read tokenizer.json, or build a tokenizer from vocab.txt if there is no other file."""
    fast = folder.path / "tokenizer.json"
    tokenizer = _from_json(folder) if fast.is_file() else _from_vocabulary(folder)
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer


def _from_json(folder: CheckpointFolder) -> Tokenizer:
    file = folder.path / "tokenizer.json"
    try:
        return Tokenizer.from_file(str(file))
    except Exception as error:  # tokenizers raises nothing narrower
        raise CheckpointError(f"{file} is broken ({error}): fetch the checkpoint again") from None


def _from_vocabulary(folder: CheckpointFolder) -> Tokenizer:
    """Build BERT's cased or uncased WordPiece from vocab.txt, one token per line."""
    file = folder.path / "vocab.txt"
    try:
        lines = file.read_text(encoding="utf-8").removesuffix("\n").split("\n")
    except FileNotFoundError:
        raise CheckpointError(f"{folder.path} has no tokenizer.json and no vocab.txt") from None
    except (OSError, ValueError) as error:
        raise CheckpointError(
            f"{file} cannot be read ({error}): fetch the checkpoint again"
        ) from None
    options = _tokenizer_options(folder)
    special = {name: _token(options.get(name), token) for name, token in _SPECIAL.items()}
    vocabulary = {token: number for number, token in enumerate(lines)}
    if special["unk_token"] not in vocabulary:
        raise CheckpointError(f"{file} is broken: it has no {special['unk_token']}")
    tokenizer = Tokenizer(models.WordPiece(vocab=vocabulary, unk_token=special["unk_token"]))
    tokenizer.normalizer = normalizers.BertNormalizer(
        clean_text=True,
        handle_chinese_chars=bool(options.get("tokenize_chinese_chars", True)),
        strip_accents=options.get("strip_accents"),
        lowercase=bool(options.get("do_lower_case", True)),
    )
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.add_special_tokens([token for token in special.values() if token in vocabulary])
    return tokenizer


def _tokenizer_options(folder: CheckpointFolder) -> dict[str, Any]:
    file = folder.path / "tokenizer_config.json"
    return read_json_object(file) if file.is_file() else {}


def _token(option: object, default: str) -> str:
    """Return a token's text, which tokenizer_config.json has as a string or in an object."""
    content = option.get("content") if isinstance(option, dict) else option
    return content if isinstance(content, str) else default
