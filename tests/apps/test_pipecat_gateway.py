"""Pipecat's own OpenAI and ElevenLabs services, with the gateway as their server."""

from typing import Any

import aiohttp
import pytest
from openai import DefaultAsyncHttpxClient
from pipecat.services.elevenlabs.tts import ElevenLabsHttpTTSService, ElevenLabsTTSService
from pipecat.services.openai.tts import OpenAITTSService

from barkclient import AsyncClient
from tests.apps.documented import documented_program
from tests.apps.pipecat_conversation import PATIENT, Conversation, running_conversation
from tests.apps.seeded import SEEDED_MODEL, VOICE, expected_pcm, seed_http, seed_openai

TEXT = "The fox is here, and it waits for the dog."
TOKENS = ("The fox is", " here, and it", " waits for the dog.")


async def speaks_as_grpc(conversation: Conversation, server: str, voice: str = VOICE) -> None:
    """Check the samples and the text that the conversation keeps."""
    await conversation.answer(*TOKENS)
    assert await conversation.remembered(1) == [TEXT]
    assert conversation.errors == []
    pcm = b"".join(frame.audio for frame in conversation.recorder.audio)
    assert pcm == await expected_pcm(server, TEXT, voice)


async def test_documented_services_can_be_made() -> None:
    exec(documented_program("from pipecat"))


async def test_openai_service_has_the_samples_of_grpc(
    gateway: str, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    seed_openai(monkeypatch)
    async with AsyncClient(server) as client:
        first = (await client.voices())[0].name  # its default, alloy
    async with DefaultAsyncHttpxClient() as http:  # Pipecat does not close its own
        service = OpenAITTSService(
            base_url=f"{gateway}/v1", api_key="none", http_client=http, **PATIENT
        )
        async with running_conversation(service) as conversation:
            await speaks_as_grpc(conversation, server, first)


async def test_elevenlabs_http_service_has_the_samples_of_grpc(
    gateway: str, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    seed_http(monkeypatch)
    settings = ElevenLabsHttpTTSService.Settings(voice=VOICE)
    async with aiohttp.ClientSession() as session:
        service = ElevenLabsHttpTTSService(
            api_key="none", base_url=gateway, aiohttp_session=session, settings=settings, **PATIENT
        )
        async with running_conversation(service) as conversation:
            await speaks_as_grpc(conversation, server)


def websocket_service(gateway: str, **options: Any) -> ElevenLabsTTSService:
    settings = ElevenLabsTTSService.Settings(voice=VOICE, **options)
    url = gateway.replace("http://", "ws://")
    return ElevenLabsTTSService(api_key="none", url=url, settings=settings, **PATIENT)


async def test_elevenlabs_service_has_the_samples_of_grpc(gateway: str, server: str) -> None:
    async with running_conversation(websocket_service(gateway, model=SEEDED_MODEL)) as conversation:
        await speaks_as_grpc(conversation, server)


async def test_elevenlabs_service_keeps_only_spoken_words(gateway: str) -> None:
    """The word times decide what the conversation keeps after an interruption."""
    long = "This is a long answer that will be cut off before it ends. " * 6
    async with running_conversation(websocket_service(gateway)) as conversation:
        recorder = conversation.recorder
        await conversation.begin()
        await conversation.write(long)
        await recorder.until(lambda: recorder.seconds() > 2)
        await conversation.interrupt()
        (spoken,) = await conversation.remembered(1)
        await conversation.answer("Yes, I listen.")
        assert (await conversation.remembered(2))[1] == "Yes, I listen."
    assert long.startswith(spoken)
    assert 0 < len(spoken) < len(long) / 2
    assert conversation.errors == []
