"""A text that is spelled out: becomes letters, each with its place in the text, then tokens."""

import re
from functools import cache

from barkserve.checkpoint.folder import CheckpointFolder, bundled_checkpoint
from barkserve.errors import InvalidArgument
from barkserve.semantic.spelling.spell_out import spell_out
from barkserve.semantic.text import TextEncoder, normalize
from barkserve.semantic.text_with_offsets import TextWithOffsets
from tools.fuzz.sentences import SENTENCES

_SPELLED = re.compile(r"[a-zA-Z.,?!'\- ]*")


def fuzz(data: bytes) -> None:
    """Check the spelling of a text and its tokens."""
    text = data.decode(errors="ignore")
    spelled = spell_out(text)
    assert _SPELLED.fullmatch(spelled.text), f"not spelled out: {spelled.text!r}"
    _check_places(spelled, text)
    _check_places(normalize(text), text)
    encoder = _encoder()
    try:
        ids = encoder.encode(text)
    except InvalidArgument:
        return
    places = encoder.locate(text)
    assert len(places) == len(ids), "the number of places is not that of the ids"
    assert 0 <= encoder.last_spoken(text) < len(ids)


def seeds() -> list[bytes]:
    """Sentences with numbers, signs and many scripts."""
    return [text.encode() for text in SENTENCES]


def _check_places(rewritten: TextWithOffsets, text: str) -> None:
    assert len(rewritten.source) == len(rewritten.text)
    assert list(rewritten.source) == sorted(rewritten.source), "places are not in order"
    assert all(0 <= place < len(text) for place in rewritten.source)


@cache
def _encoder() -> TextEncoder:
    return TextEncoder(CheckpointFolder.open(bundled_checkpoint()))
