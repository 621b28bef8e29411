"""Warnings of the bundled English checkpoint, from the text to the client."""

import pytest

from barkclient import AsyncClient
from barkserve.checkpoint.folder import bundled_checkpoint
from tests.support.services import running_chain


@pytest.mark.parametrize(
    ("text", "warnings"),
    [
        ("Hi there.", []),
        ("\u4f60\u597d", [("language", 0, 2)]),
        ("Yes \U0001f600. [laughs]", [("text_skipped", 4, 5), ("text_skipped", 7, 15)]),
    ],
)
async def test_speech_warns_about_its_text(text: str, warnings: list[tuple[str, int, int]]) -> None:
    async with running_chain(bundled_checkpoint()) as chain, AsyncClient(chain.address) as client:
        synthesis = client.synthesize(text, seed=1)
        await synthesis.read()
    found = synthesis.finished.warnings
    assert [(each.code, each.text_start, each.text_end) for each in found] == warnings
    assert all(each.message for each in found)
