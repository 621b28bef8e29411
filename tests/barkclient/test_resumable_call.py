"""A synthesis that loses its connection continues over the next one without repeated audio."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from barkclient import AsyncClient, AudioChunk, Cancelled, Client, ServerError, ServerUnavailable
from barkclient._internal.resumable_call import Received, ResumableCall
from barkclient.errors import from_rpc_error
from barkclient.options import SAMPLE_BYTES, Encoding
from barkclient.responses import Started
from barkserve.v1 import speech_pb2
from tests.barkclient.scripted_server import SAMPLE_COUNT, TEXT, ScriptedSpeech, grpc
from tests.support.tcp_proxy import TcpProxy, running_proxy

STARTED = Started("id", 42, "announcer", "pcm16", 24000, "bark-mini")


@pytest_asyncio.fixture
async def proxy(speech: ScriptedSpeech) -> AsyncIterator[TcpProxy]:
    async with running_proxy(speech.target) as opened:
        yield opened


async def lose(proxy: TcpProxy, speech: ScriptedSpeech) -> None:
    """Cut the connection, wait until the server notices, then let it send further chunks."""
    proxy.cut()
    await speech.cancelled.wait()
    speech.allow(1000)


@pytest.mark.parametrize("encoding", SAMPLE_BYTES)
async def test_synthesis_resumes_over_new_connection(
    proxy: TcpProxy, speech: ScriptedSpeech, encoding: Encoding
) -> None:
    async with AsyncClient(proxy.address) as client:
        whole = await client.synthesize(TEXT, encoding=encoding).read()
        speech.allow(2)
        synthesis = client.synthesize(TEXT, encoding=encoding, request_id="mine")
        chunks = [await anext(synthesis), await anext(synthesis)]
        await lose(proxy, speech)
        chunks += [chunk async for chunk in synthesis]
    assert b"".join(chunk.audio for chunk in chunks) == whole.audio
    assert [chunk.first_sample for chunk in chunks] == [0, 3, 5]
    assert synthesis.finished.sample_count == SAMPLE_COUNT
    again = speech.requests[-1]
    assert (len(speech.requests), again.seed, again.request_id) == (3, 42, "mine")


async def test_blocking_client_resumes_over_new_connection(
    proxy: TcpProxy, speech: ScriptedSpeech
) -> None:
    def speak() -> list[AudioChunk]:
        with Client(proxy.address) as client:
            synthesis = client.synthesize(TEXT)
            first = next(synthesis)
            asyncio.run_coroutine_threadsafe(lose(proxy, speech), loop).result()
            return [first, *synthesis]

    loop = asyncio.get_running_loop()
    speech.allow(1)
    chunks = await asyncio.to_thread(speak)
    assert sum(chunk.sample_count for chunk in chunks) == SAMPLE_COUNT


async def test_synthesis_fails_if_server_stays_away(
    proxy: TcpProxy, speech: ScriptedSpeech
) -> None:
    speech.allow(1)
    async with AsyncClient(proxy.address) as client:
        synthesis = client.synthesize(TEXT)
        await anext(synthesis)
        proxy.target = "127.0.0.1:1"
        await lose(proxy, speech)
        with pytest.raises(ServerUnavailable):
            await anext(synthesis)


async def test_compressed_audio_is_not_resumed(proxy: TcpProxy, speech: ScriptedSpeech) -> None:
    speech.allow(1)
    async with AsyncClient(proxy.address) as client:
        synthesis = client.synthesize(TEXT, encoding="mp3")
        await anext(synthesis)
        await lose(proxy, speech)
        with pytest.raises(ServerUnavailable):
            await anext(synthesis)
    assert len(speech.requests) == 1


async def test_closed_synthesis_is_not_resumed(proxy: TcpProxy, speech: ScriptedSpeech) -> None:
    def speak() -> None:
        with Client(proxy.address) as client:
            synthesis = client.synthesize(TEXT)
            next(synthesis)
            synthesis.close()
            with pytest.raises(Cancelled):
                next(synthesis)

    speech.allow(1)
    await asyncio.to_thread(speak)
    assert len(speech.requests) == 1


def resumed_call(samples: int, words: int = 0) -> ResumableCall:
    """A call that has been resumed after a number of samples and words."""
    call = ResumableCall(speech_pb2.SynthesizeRequest(), lambda request, timeout: object(), None)
    cause = grpc.aio.AioRpcError(
        grpc.StatusCode.UNAVAILABLE, grpc.aio.Metadata(), grpc.aio.Metadata(), "socket closed"
    )
    error = from_rpc_error(cause, "here")
    error.__cause__ = cause
    received = Received(STARTED, samples, words)
    assert call.resume(error, received) is not None
    assert call.resume(error, received) is None, "nothing has arrived since"
    return call


def test_new_part_cuts_chunk_between_samples() -> None:
    chunk = speech_pb2.AudioChunk(audio=b"aabbccdd", first_sample=8, sample_count=4)
    chunk.text_span.end = 7
    part = resumed_call(samples=10).new_part(speech_pb2.SynthesizeResponse(audio=chunk))
    assert part is not None
    assert (part.audio.audio, part.audio.first_sample, part.audio.sample_count) == (b"ccdd", 10, 2)
    assert part.audio.text_span.end == 7
    assert resumed_call(samples=12).new_part(speech_pb2.SynthesizeResponse(audio=chunk)) is None


def test_new_part_skips_known_words() -> None:
    call = resumed_call(samples=1, words=3)
    received = []
    for words in (["one", "two"], ["three", "four"], ["five"]):
        message = speech_pb2.WordTimes(words=[speech_pb2.WordTime(word=word) for word in words])
        part = call.new_part(speech_pb2.SynthesizeResponse(words=message))
        received.append([word.word for word in part.words.words] if part is not None else None)
    assert received == [None, ["four"], ["five"]]


def test_new_part_refuses_another_model() -> None:
    started = speech_pb2.SynthesisStarted(
        seed=42,
        voice="announcer",
        encoding=speech_pb2.AUDIO_ENCODING_PCM16,
        sample_rate_hertz=24000,
        model="bark-mini",
    )
    response = speech_pb2.SynthesizeResponse(started=started)
    assert resumed_call(samples=1).new_part(response) is None
    started.model_revision = "newer"
    response = speech_pb2.SynthesizeResponse(started=started)
    with pytest.raises(ServerError, match="model_revision 'newer' instead of ''"):
        resumed_call(samples=1).new_part(response)
