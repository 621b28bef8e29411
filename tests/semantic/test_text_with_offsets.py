"""The original position of each character of a rewritten text."""

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from barkserve.checkpoint.folder import CheckpointFolder, bundled_checkpoint
from barkserve.errors import InvalidArgument
from barkserve.semantic.spelling.spell_out import spell_out
from barkserve.semantic.text import TextEncoder, normalize
from barkserve.semantic.text_with_offsets import TextWithOffsets
from fixtures.checkpoints import TINY, CheckpointSpec

WRITTEN = st.text(st.characters(exclude_categories=["Cs"]), max_size=80)
LIKELY = st.text("Mr. 5$€%&@[la]ughs1,0:3️⃣-é你😀#th;\n", max_size=40)


def origins(written: str, spoken: TextWithOffsets, word: str) -> str:
    """Return the part of the written text that a spoken word comes from."""
    start = spoken.text.index(word)
    source = spoken.source[start : start + len(word)]
    return written[source[0] : source[-1] + 1]


@pytest.mark.parametrize(
    ("written", "word", "origin"),
    [
        ("I have 5 cats", "five", "5"),
        ("I have 5 cats", "cats", "cats"),
        ("It costs $5.20 now", "five dollars and twenty cents", "$5.20"),
        ("Dr.  Smith", "doctor", "Dr."),
        ("Dr.  Smith", "Smith", "Smith"),
        ("[laughs] at 10:30 a.m.", "ten thirty", "10:30"),
        ("in 1984, of course", "nineteen eighty-four", "1984"),
        ("1,234 pages", "pages", "pages"),
        ("😀 café, 你好!", "cafe", "café"),
        ("😀 café, 你好!", "NiHao", "你好"),
        ("the 21st of May", "twenty-first", "21st"),
        ("50% & more", "percent", "%"),
    ],
)
def test_spoken_word_maps_to_the_written_one(written: str, word: str, origin: str) -> None:
    assert origins(written, spell_out(written), word) == origin


@given(WRITTEN | LIKELY)
@pytest.mark.parametrize("prepare", [spell_out, normalize])
def test_offsets_are_monotonic_and_valid(
    prepare: Callable[[str], TextWithOffsets], text: str
) -> None:
    spoken = prepare(text)
    assert len(spoken.source) == len(spoken.text)
    assert list(spoken.source) == sorted(spoken.source)
    assert all(0 <= origin < len(text) for origin in spoken.source)


@given(st.text("abc XYZ,?'", max_size=60))  # "!a" is read as "not a", ".a" as "dot a"
@pytest.mark.parametrize("prepare", [spell_out, normalize])
def test_unchanged_letters_map_to_themselves(
    prepare: Callable[[str], TextWithOffsets], text: str
) -> None:
    spoken = prepare(text)
    pairs = zip(spoken.text, spoken.source, strict=True)
    assert all(text[origin] == sign for sign, origin in pairs if sign.isalpha())


@pytest.fixture(scope="module", params=["letters", "word pieces"])
def encoder(
    request: pytest.FixtureRequest, checkpoint_of: Callable[[CheckpointSpec], Path]
) -> TextEncoder:
    mini = request.param == "letters"
    return TextEncoder(CheckpointFolder.open(bundled_checkpoint() if mini else checkpoint_of(TINY)))


@example("\N{EURO SIGN} 0")
@given(WRITTEN | LIKELY)
def test_every_token_has_an_offset(encoder: TextEncoder, text: str) -> None:
    try:
        ids = encoder.encode(text)
    except InvalidArgument:
        return
    positions = encoder.locate(text).tolist()
    assert len(positions) == len(ids)
    assert positions == sorted(positions)
    assert all(0 <= position < len(text) and not text[position].isspace() for position in positions)
