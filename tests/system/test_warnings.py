"""Warnings, the end of repeated words and lexicons, with the bundled English checkpoint."""

from pathlib import Path
from typing import Any

import numpy as np

from barkclient import AsyncClient
from barkserve.checkpoint.folder import bundled_checkpoint
from tests.support.services import running_chain

THIRDS, PAUSE = 3, 0  # semantic tokens of the bundled model are thirds of phones
LEXICON = Path(__file__).with_name("lexicon.toml")


WARNINGS = {
    "Hi there.": [],
    "你好": [("language", 0, 2)],
    "Yes 😀. [laughs]": [("text_skipped", 4, 5), ("text_skipped", 7, 15)],
}


async def test_speech_warns_about_its_text() -> None:
    async with running_chain(bundled_checkpoint()) as chain, AsyncClient(chain.address) as client:
        for text, warnings in WARNINGS.items():
            synthesis = client.synthesize(text, seed=1)
            await synthesis.read()
            found = synthesis.finished.warnings
            assert [(each.code, each.text_start, each.text_end) for each in found] == warnings
            assert all(each.message for each in found)


async def test_repeated_words_end_with_their_text() -> None:
    """Without a limit by the alignment, the bundled model repeats the last word for 12 s."""
    async with running_chain(bundled_checkpoint()) as chain, AsyncClient(chain.address) as client:
        synthesis = client.synthesize(" ".join(["no"] * 12), seed=1, return_voice=True)
        speech = await synthesis.read()
    assert 2 < speech.duration_s < 3.5
    assert synthesis.finished.voice is not None
    phones = synthesis.finished.voice.semantic_prompt // THIRDS
    changes = phones[np.flatnonzero(np.diff(phones, prepend=-1))].tolist()
    spoken = [phone for phone in changes if phone != PAUSE]
    assert spoken == spoken[:2] * 12
    assert [each.code for each in synthesis.finished.warnings] == ["length_limit"]


async def test_lexicon_changes_the_sound_and_not_the_words() -> None:
    """A reading of the server's file sounds as if the text were so, one of the request too."""
    async with (
        running_chain(bundled_checkpoint(), lexicon=str(LEXICON)) as chain,
        AsyncClient(chain.address) as client,
    ):

        async def speak(text: str, **options: Any) -> tuple[bytes, list[str]]:
            synthesis = client.synthesize(text, seed=1, word_times=True, **options)
            audio = (await synthesis.read()).audio
            return audio, [text[word.text_start : word.text_end] for word in synthesis.words]

        audio, words = await speak("Use SQL.")
        assert words == ["Use", "SQL"]
        assert audio == (await speak("Use sequel."))[0]
        assert audio == (await speak("Use DB.", lexicon={"DB": "sequel"}))[0]
