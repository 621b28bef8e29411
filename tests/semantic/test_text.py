"""Text to token ids equals BarkProcessor's for any text, or is refused."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from transformers import AutoProcessor, BertTokenizer

from barkserve.checkpoint.folder import CheckpointFolder
from barkserve.errors import CheckpointError, InvalidArgument, TextTooLong
from barkserve.semantic.text import TextEncoder, normalize
from barkserve.speakable import speakable
from fixtures.checkpoints import TINY, vocabulary

# Everything that protobuf lets through: all of Unicode but surrogates.
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)
SPOKEN = st.text("Helo wrd,.[]♪é你1\t\n", min_size=1, max_size=40)


@pytest.fixture(scope="module")
def encoder(tiny_folder: Path) -> TextEncoder:
    return TextEncoder(CheckpointFolder.open(tiny_folder))


@pytest.fixture(scope="module")
def reference_ids(tiny_folder: Path) -> Callable[[str], list[int]]:
    processor = AutoProcessor.from_pretrained(tiny_folder)

    def ids(text: str) -> list[int]:
        inputs = processor(text, max_length=TINY.max_input_semantic_length)
        return inputs["input_ids"][inputs["attention_mask"].bool()].tolist()

    return ids


def _encoder(folder: Path) -> TextEncoder:
    return TextEncoder(CheckpointFolder.open(folder))


def _edit(file: Path, **change: object) -> None:
    file.write_text(json.dumps(json.loads(file.read_text()) | change))


@given(SPOKEN | TEXTS)
@example("Hello, world! [laughs] ♪ hello ♪ — ok…")
@example("[UNK] [MASK][PAD] hello")
@example("e\u0301 \u00a0 \ufeff a\u200bb")
@example("\u3164")
def test_encode_equals_the_reference_or_refuses(
    encoder: TextEncoder, reference_ids: Callable[[str], list[int]], text: str
) -> None:
    expected = reference_ids(normalize(text).text)
    if not speakable(text) or not 0 < len(expected) <= TINY.max_input_semantic_length:
        with pytest.raises(InvalidArgument, match=r"^text: "):
            encoder.encode(text)
        return
    ids = encoder.encode(text)
    assert ids.dtype == "int64"
    assert (ids - TINY.text_encoding_offset).tolist() == expected


def test_encode_ignores_padding_and_truncation_of_the_file(
    folder: Path, encoder: TextEncoder
) -> None:
    _edit(
        folder / "tokenizer.json",
        padding={
            "strategy": {"Fixed": 9},
            "direction": "Right",
            "pad_to_multiple_of": None,
            "pad_id": 0,
            "pad_type_id": 0,
            "pad_token": "[PAD]",
        },
        truncation={"direction": "Right", "max_length": 2, "strategy": "LongestFirst", "stride": 0},
    )
    assert _encoder(folder).encode("hello world").tolist() == encoder.encode("hello world").tolist()
    assert len(_encoder(folder).encode("a b c")) == 3


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("  two  words\n\tmore ", "two words more"),
        ("a\u00a0b\u2003c\u3000d", "a b c d"),
        ("a\x1cb\x85c", "a b c"),
        ("Kept, as it is…", "Kept, as it is…"),
        ("\n", ""),
    ],
)
def test_normalize_collapses_white_space_as_suno(text: str, normal: str) -> None:
    assert normalize(text).text == normal


@pytest.mark.parametrize(
    "text", ["a", "7", "é", "你", "ß!", "♪", "[laughs]", "... 1", "½", "عربي", "\u0301a"]
)
def test_speakable(text: str) -> None:
    assert speakable(text)


@pytest.mark.parametrize(
    "text", ["", " ", "\n\t", "...", "?!—…", "[]", "😀🎉", "\u200b\ufeff", "\0", "\u0301", "$%&"]
)
def test_unspeakable_text_is_refused(text: str, encoder: TextEncoder) -> None:
    assert not speakable(text)
    with pytest.raises(InvalidArgument, match="nothing to speak") as caught:
        encoder.encode(text)
    assert caught.value.field == "text"


def test_text_of_the_maximum_length_fits(encoder: TextEncoder) -> None:
    limit = TINY.max_input_semantic_length
    assert encoder.encode("a " * limit).shape == (limit,)
    with pytest.raises(InvalidArgument, match=f"{limit + 1} tokens, at most {limit} are spoken"):
        encoder.encode("a " * (limit + 1))


@pytest.mark.parametrize("lower", [False, True])
@given(text=SPOKEN | TEXTS)
@example(text="[UNK] [MASK][PAD] Éa")
def test_vocabulary_alone_gives_the_same_tokenizer(
    by_vocabulary: dict[bool, tuple[TextEncoder, BertTokenizer]], lower: bool, text: str
) -> None:
    ours, theirs = by_vocabulary[lower]
    expected = theirs(normalize(text).text, add_special_tokens=False)["input_ids"]
    if speakable(text) and 0 < len(expected) <= TINY.max_input_semantic_length:
        assert (ours.encode(text) - TINY.text_encoding_offset).tolist() == expected


@pytest.fixture(scope="module")
def by_vocabulary(
    tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[bool, tuple[TextEncoder, BertTokenizer]]:
    encoders = {}
    for lower in (False, True):
        folder = Path(shutil.copytree(tiny_folder, tmp_path_factory.mktemp("vocabulary") / "tiny"))
        (folder / "tokenizer.json").unlink()
        _edit(folder / "tokenizer_config.json", do_lower_case=lower, unk_token={"content": "[UNK]"})
        theirs = BertTokenizer(str(folder / "vocab.txt"), do_lower_case=lower)
        encoders[lower] = (_encoder(folder), theirs)
    return encoders


def _without(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).unlink()
    return folder


def test_vocabulary_needs_no_options(folder: Path) -> None:
    bare = _encoder(_without(folder, "tokenizer.json", "tokenizer_config.json"))
    assert bare.encode("HELLO").tolist() == bare.encode("hello").tolist()


def test_missing_tokenizer_is_reported(folder: Path) -> None:
    with pytest.raises(CheckpointError, match=r"no tokenizer\.json and no vocab\.txt"):
        _encoder(_without(folder, "tokenizer.json", "vocab.txt"))


@pytest.mark.parametrize("content", [b"", b"{}", b"\xff", b"nonsense"])
def test_broken_tokenizer_is_reported(content: bytes, folder: Path) -> None:
    (folder / "tokenizer.json").write_bytes(content)
    with pytest.raises(CheckpointError, match=r"tokenizer\.json is broken"):
        _encoder(folder)


@pytest.mark.parametrize(
    ("content", "message"), [(b"a\nb\n", r"has no \[UNK\]"), (b"\xff", "cannot be read")]
)
def test_broken_vocabulary_is_reported(content: bytes, message: str, folder: Path) -> None:
    (_without(folder, "tokenizer.json") / "vocab.txt").write_bytes(content)
    with pytest.raises(CheckpointError, match=message):
        _encoder(folder)


def test_too_large_tokenizer_is_reported(folder: Path) -> None:
    extra: list[Any] = [f"word{number}" for number in range(9)]
    (_without(folder, "tokenizer.json") / "vocab.txt").write_text(
        "\n".join([*vocabulary(), *extra])
    )
    with pytest.raises(CheckpointError, match="too many for"):
        _encoder(folder)


def test_text_of_too_many_characters_is_refused(encoder: TextEncoder) -> None:
    """Also if it has few tokens: the time to encode it grows with its characters."""
    most = TINY.max_input_semantic_length * 8
    assert len(encoder.encode(f"Hello{' ' * (most - 5)}")) == len(encoder.encode("Hello"))
    with pytest.raises(TextTooLong, match=f"{most + 1} characters, at most {most} are spoken"):
        encoder.encode(f"Hello{' ' * (most - 4)}")
