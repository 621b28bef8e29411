"""A call that a server refuses before its first answer is made again; one that has begun is not."""

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

GOING = Failure(grpc.StatusCode.UNAVAILABLE, "going away")
BYE = Failure(grpc.StatusCode.CANCELLED, "")  # what gRPC's core says while its server stops


class Refusing(ScriptedSpeech):
    """Refuses as many calls as there are refusals, each with the next one, and then answers."""

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
        if self.refusals:  # not before the text has come, so that there is something to repeat
            read = [await anext(aiter(requests)) for _ in range(2)]
            assert read[1].text == "abc"
        await self.refuse(context)
        await super().StreamingSynthesize(requests, context)

    async def CreateVoice(self, request: Any, context: Any) -> speech_pb2.CreateVoiceResponse:
        await self.refuse(context)
        return await super().CreateVoice(request, context)


async def test_a_text_is_spoken_by_the_next_server() -> None:
    async with serve(Refusing(GOING, BYE)) as target, AsyncClient(target) as client:
        chunk = await client.synthesize(TEXT).read()
    assert (chunk.sample_count, chunk.audio) == (
        SAMPLE_COUNT,
        b"".join(samples.tobytes() for samples in PCM),
    )


async def test_the_blocking_client_does_the_same() -> None:
    async with serve(Refusing(GOING)) as target:
        chunk = await asyncio.to_thread(lambda: Client(target).synthesize(TEXT).read())
    assert chunk.sample_count == SAMPLE_COUNT


async def test_text_that_was_typed_before_is_typed_again() -> None:
    async def typing() -> AsyncIterator[str]:
        yield "abc"
        yield "de"

    async with serve(Refusing(GOING)) as target, AsyncClient(target) as client:
        chunk = await client.synthesize_stream(typing()).read()
    assert chunk.sample_count == 5


async def test_who_is_refused_again_and_again_is_told() -> None:
    speech = Refusing(GOING, GOING, GOING, GOING)
    async with serve(speech) as target, AsyncClient(target) as client:
        with pytest.raises(ServerUnavailable, match="going away"):
            await client.synthesize(TEXT).read()
    assert len(speech.refusals) == 1


async def test_what_has_begun_is_not_begun_again(speech: ScriptedSpeech) -> None:
    speech.failure = GOING
    async with AsyncClient(speech.target) as client:
        synthesis = client.synthesize(TEXT)
        with pytest.raises(ServerUnavailable):
            await synthesis.read()
    assert len(speech.requests) == 1


async def test_a_voice_is_not_created_twice() -> None:
    """It may have been, and only its answer was lost."""
    async with serve(Refusing(GOING)) as target, AsyncClient(target) as client:
        with pytest.raises(ServerUnavailable):
            await client.create_voice("bob", "handle:x")
