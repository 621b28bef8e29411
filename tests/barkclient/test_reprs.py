"""Objects print on one short line, without audio and without the token."""

import asyncio

import numpy as np
import pytest

from barkclient import AsyncClient, Client, HistoryPrompt, RemoteBark, Voice, VoiceHandle, WordTime
from tests.barkclient.scripted_server import TEXT, ScriptedSpeech

PROMPT = HistoryPrompt(
    semantic_prompt=np.arange(300),
    coarse_prompt=np.zeros((2, 450), int),
    fine_prompt=np.zeros((8, 450), int),
)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (Client("[::1]:50051", token="secret"), "<Client of [::1]:50051>"),
        (AsyncClient("[::1]:50051", token="secret"), "<AsyncClient of [::1]:50051>"),
        (RemoteBark(Client("[::1]:50051")), "<RemoteBark on <Client of [::1]:50051>>"),
        (Voice("v2/slt", is_default=True, language="en"), "<Voice v2/slt, en, default>"),
        (Voice("me", stored=True, description="x" * 500), "<Voice me, stored>"),
        (VoiceHandle("ab12"), "VoiceHandle(handle='ab12')"),
        (WordTime("Hello", 0, 5, 2400, 9600, 24000), "<WordTime 'Hello', 0.10 to 0.40 s>"),
        (PROMPT, "<HistoryPrompt of 300 semantic tokens and 450 frames>"),
    ],
)
def test_repr_is_short(value: object, expected: str) -> None:
    assert repr(value) == expected


async def test_repr_of_synthesis_shows_its_progress(speech: ScriptedSpeech) -> None:
    async with AsyncClient(speech.target) as client:
        synthesis = client.synthesize(TEXT)
        assert repr(synthesis) == f"<AsyncSynthesis from {speech.target}, not started>"
        chunk = await synthesis.read()
        assert repr(chunk) == "<AudioChunk 0.00 to 1.00 s, 48010 bytes of pcm16>"
        assert repr(synthesis).endswith(", 1.00 s of audio, finished: stop>")
        assert repr(synthesis.finished) == "<Finished stop, samples: 24005, segments: 0>"
        context = client.stream().speak()
        assert repr(context) == f"<AsyncSpeechContext from {speech.target}, not started>"


async def test_repr_of_blocking_synthesis_shows_its_progress(speech: ScriptedSpeech) -> None:
    def read() -> str:
        synthesis = Client(speech.target).synthesize(TEXT)
        next(synthesis)
        return repr(synthesis)

    shown = await asyncio.to_thread(read)
    assert shown == f"<Synthesis from {speech.target}, 0.00 s of audio>"
