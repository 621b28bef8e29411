"""gRPC retries a call that fails before its first response, and no other."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from barkclient import AsyncClient, Client, ServerUnavailable
from barkserve.v1 import speech_pb2
from tests.barkclient.scripted_server import (
    PCM,
    SAMPLE_COUNT,
    TEXT,
    Failure,
    ScriptedSpeech,
    grpc,
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
