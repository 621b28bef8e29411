"""LiveKit's own OpenAI and ElevenLabs plugins, with the gateway as their server."""

from collections.abc import AsyncIterator
from itertools import pairwise
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from livekit.agents import APIStatusError
from livekit.plugins import elevenlabs, openai

from tests.apps.documented import documented_program
from tests.apps.livekit_audio import ONCE, Spoken, collected, synthesis
from tests.apps.seeded import SEEDED_MODEL, VOICE, expected_pcm, seed_http, seed_openai

TEXT = "The fox is here, and it waits for the dog."
TOKENS = (
    "The fox is here, and it",
    " waits for the dog. ",
    "The dog is there (too), but",
    " it sleeps.",
)


@pytest_asyncio.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as opened:
        yield opened


def check_samples(spoken: Spoken, expected: bytes) -> None:
    """LiveKit ends a speech with a few milliseconds of silence."""
    silence = spoken.pcm[len(expected) :]
    assert spoken.pcm[: len(expected)] == expected
    assert not any(silence)
    assert len(silence) < len(expected) / 10


def openai_plugin(gateway: str, **options: Any) -> openai.TTS:
    return openai.TTS(base_url=f"{gateway}/v1", api_key="none", **options)


def elevenlabs_plugin(
    gateway: str, session: aiohttp.ClientSession, **options: Any
) -> elevenlabs.TTS:
    options = {"voice_id": VOICE, "encoding": "pcm_24000", **options}
    return elevenlabs.TTS(base_url=f"{gateway}/v1", api_key="none", http_session=session, **options)


async def test_documented_plugins_can_be_made() -> None:
    exec(documented_program("from livekit"))


@pytest.mark.parametrize("model", ["tts-1", "gpt-4o-mini-tts"], ids=["audio", "sse"])
async def test_openai_plugin_has_the_samples_of_grpc(
    gateway: str, server: str, model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    seed_openai(monkeypatch)
    async with openai_plugin(gateway, model=model, voice=VOICE, response_format="pcm") as service:
        spoken = await collected(service.synthesize(TEXT, conn_options=ONCE))
    check_samples(spoken, await expected_pcm(server, TEXT))


async def test_openai_plugin_speaks_with_its_defaults(gateway: str) -> None:
    """The defaults are server-sent events, MP3 and the voice ash (livekit/agents#6184)."""
    async with openai_plugin(gateway) as service:
        spoken = await collected(service.synthesize(TEXT, conn_options=ONCE))
    assert 2 < spoken.seconds < 10
    assert any(spoken.pcm)


async def test_openai_plugin_reports_an_unknown_voice(gateway: str) -> None:
    async with openai_plugin(gateway, voice="absent") as service:
        with pytest.raises(APIStatusError, match="absent") as caught:
            await collected(service.synthesize(TEXT, conn_options=ONCE))
    assert caught.value.status_code == 404


async def test_elevenlabs_plugin_has_the_samples_of_grpc(
    gateway: str, server: str, session: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    seed_http(monkeypatch)
    async with elevenlabs_plugin(gateway, session) as service:
        spoken = await collected(service.synthesize(TEXT, conn_options=ONCE))
    check_samples(spoken, await expected_pcm(server, TEXT))


async def test_elevenlabs_stream_has_the_samples_of_grpc(
    gateway: str, server: str, session: aiohttp.ClientSession
) -> None:
    async with elevenlabs_plugin(gateway, session, model=SEEDED_MODEL) as service:
        spoken = await collected(synthesis(service, TEXT))
    check_samples(spoken, await expected_pcm(server, TEXT))


async def test_elevenlabs_stream_times_the_words(
    gateway: str, session: aiohttp.ClientSession
) -> None:
    async with elevenlabs_plugin(gateway, session) as service:
        spoken = await collected(synthesis(service, *TOKENS))
    assert "".join(spoken.words).split() == "".join(TOKENS).split()
    starts = [word.start_time for word in spoken.words]
    assert all(first <= second for first, second in pairwise(starts))
    assert spoken.seconds / 2 < starts[-1] < spoken.words[-1].end_time <= spoken.seconds + 0.1


async def test_elevenlabs_plugin_lists_the_voices(
    gateway: str, session: aiohttp.ClientSession
) -> None:
    async with elevenlabs_plugin(gateway, session) as service:
        voices = await service.list_voices()
    assert [voice.id for voice in voices] == ["v2/awb", "v2/rms", "v2/slt"]


async def test_elevenlabs_plugin_reports_an_unknown_voice(
    gateway: str, session: aiohttp.ClientSession
) -> None:
    async with elevenlabs_plugin(gateway, session, voice_id="absent") as service:
        with pytest.raises(APIStatusError) as caught:
            await collected(service.synthesize(TEXT, conn_options=ONCE))
    assert caught.value.status_code == 404
