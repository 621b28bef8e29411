"""gRPC retries a call that fails before its first response; `retries` repeats other failures."""

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from barkclient import AsyncClient, Client, InvalidRequest, Overloaded, ServerUnavailable
from barkserve.v1 import speech_pb2, speech_pb2_grpc
from tests.barkclient.scripted_server import (
    PCM,
    SAMPLE_COUNT,
    TEXT,
    Failure,
    ScriptedSpeech,
    grpc,
    retry_info,
    serve,
)

DRAINING = Failure(grpc.StatusCode.UNAVAILABLE, "going away")
GOAWAY = Failure(grpc.StatusCode.CANCELLED, "")  # gRPC's core while its server stops


class Refusing(ScriptedSpeech):
    """Fails one call for each refusal, then answers."""

    def __init__(self, *refusals: Failure) -> None:
        super().__init__()
        self.refusals = [*refusals]

    async def refuse(self, context: Any) -> None:
        if self.refusals:
            await self.refusals.pop(0).abort(context)

    async def Synthesize(self, request: Any, context: Any) -> None:
        await self.refuse(context)
        await super().Synthesize(request, context)

    async def StreamingSynthesize(self, requests: Any, context: Any) -> None:
        if self.refusals:  # after the text has arrived: it must be sent again
            read = [await anext(aiter(requests)) for _ in range(2)]
            assert read[1].text == "abc"
        await self.refuse(context)
        await super().StreamingSynthesize(requests, context)

    async def CreateVoice(self, request: Any, context: Any) -> speech_pb2.CreateVoiceResponse:
        await self.refuse(context)
        return await super().CreateVoice(request, context)


class FailsAfterAudio(ScriptedSpeech):
    """Its first call sends all audio and then loses a stage; the next must only finish."""

    async def Synthesize(self, request: Any, context: Any) -> None:
        self.failure = None if self.requests else DRAINING
        assert request.resume.sample_count == (SAMPLE_COUNT if self.requests else 0)
        await super().Synthesize(request, context)


async def test_refused_call_is_retried() -> None:
    async with serve(Refusing(DRAINING, GOAWAY)) as target, AsyncClient(target) as client:
        chunk = await client.synthesize(TEXT).read()
    assert (chunk.sample_count, chunk.audio) == (
        SAMPLE_COUNT,
        b"".join(samples.tobytes() for samples in PCM),
    )


async def test_blocking_client_retries_refused_call() -> None:
    async with serve(Refusing(DRAINING)) as target:
        chunk = await asyncio.to_thread(lambda: Client(target).synthesize(TEXT).read())
    assert chunk.sample_count == SAMPLE_COUNT


async def test_retry_sends_streamed_text_again() -> None:
    async def typing() -> AsyncIterator[str]:
        yield "abc"
        yield "de"

    async with serve(Refusing(DRAINING)) as target, AsyncClient(target) as client:
        chunk = await client.synthesize_stream(typing()).read()
    assert chunk.sample_count == 5


async def test_call_fails_after_three_refusals() -> None:
    speech = Refusing(DRAINING, DRAINING, DRAINING, DRAINING)
    async with serve(speech) as target, AsyncClient(target) as client:
        with pytest.raises(ServerUnavailable, match="going away"):
            await client.synthesize(TEXT).read()
    assert len(speech.refusals) == 1


async def test_call_with_responses_is_not_retried(speech: ScriptedSpeech) -> None:
    speech.failure = DRAINING
    async with AsyncClient(speech.target) as client:
        synthesis = client.synthesize(TEXT)
        with pytest.raises(ServerUnavailable):
            await synthesis.read()
    assert len(speech.requests) == 1


async def test_create_voice_is_not_retried() -> None:
    """The server may have created it before the response was lost."""
    async with serve(Refusing(DRAINING)) as target, AsyncClient(target) as client:
        with pytest.raises(ServerUnavailable):
            await client.create_voice("bob", "handle:x")


async def test_full_server_is_asked_again_with_retries() -> None:
    full = Failure(grpc.StatusCode.RESOURCE_EXHAUSTED, "full", retry_info(0.05))
    async with serve(Refusing(full, full)) as target, AsyncClient(target, retries=2) as client:
        chunk = await client.synthesize(TEXT).read()
    assert chunk.sample_count == SAMPLE_COUNT
    async with serve(Refusing(full, full)) as target:
        chunk = await asyncio.to_thread(lambda: Client(target, retries=2).synthesize(TEXT).read())
    assert chunk.sample_count == SAMPLE_COUNT


async def test_full_server_fails_after_the_last_retry() -> None:
    full = Failure(grpc.StatusCode.RESOURCE_EXHAUSTED, "full", retry_info(0.01))
    speech = Refusing(full, full, full, full)
    async with serve(speech) as target, AsyncClient(target, retries=2) as client:
        with pytest.raises(Overloaded, match="full"):
            await client.synthesize(TEXT).read()
    assert len(speech.refusals) == 1


async def test_full_server_fails_at_once_without_retries() -> None:
    speech = Refusing(*[Failure(grpc.StatusCode.RESOURCE_EXHAUSTED, "full")] * 2)
    async with serve(speech) as target, AsyncClient(target) as client:
        with pytest.raises(Overloaded):
            await client.synthesize(TEXT).read()
    assert len(speech.refusals) == 1


async def test_retry_continues_after_received_audio() -> None:
    async with serve(FailsAfterAudio()) as target, AsyncClient(target, retries=1) as client:
        chunks = [chunk async for chunk in client.synthesize(TEXT)]
    assert b"".join(chunk.audio for chunk in chunks) == b"".join(s.tobytes() for s in PCM)


async def test_invalid_request_is_not_retried() -> None:
    invalid = Failure(grpc.StatusCode.INVALID_ARGUMENT, "text: no")
    speech = Refusing(invalid, invalid)
    async with serve(speech) as target, AsyncClient(target, retries=5) as client:
        with pytest.raises(InvalidRequest):
            await client.synthesize(TEXT).read()
    assert len(speech.refusals) == 1


async def test_retry_sends_typed_text_again() -> None:
    async def typing() -> AsyncIterator[str]:
        yield "abc"
        yield "de"

    full = Failure(grpc.StatusCode.RESOURCE_EXHAUSTED, "full", retry_info(0.01))
    async with serve(Refusing(full)) as target, AsyncClient(target, retries=1) as client:
        chunk = await client.synthesize_stream(typing()).read()
    assert chunk.sample_count == 5


async def test_documented_service_config_retries_in_plain_grpc() -> None:
    page = (Path(__file__).parents[2] / "docs/clients.md").read_text()
    (config,) = re.findall(r"^```json\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    async with (
        serve(Refusing(DRAINING, GOAWAY)) as target,
        grpc.aio.insecure_channel(target, [("grpc.service_config", config)]) as channel,
    ):
        speak = speech_pb2_grpc.SpeechServiceStub(channel).Synthesize
        responses = [each async for each in speak(speech_pb2.SynthesizeRequest(text=TEXT))]
    assert responses[-1].finished.sample_count == SAMPLE_COUNT
