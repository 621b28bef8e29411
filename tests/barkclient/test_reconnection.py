"""A synthesis that loses its connection continues over the next one; see also tests/system."""

import asyncio
import time
from collections.abc import AsyncIterator

import grpc
import pytest
import pytest_asyncio

from barkclient import AsyncClient, AudioChunk, Cancelled, Client, Overloaded, ServerUnavailable
from barkclient._internal.reconnection import Reconnection, ServerSilent
from barkclient._internal.text_source import TextSource
from barkclient.options import Encoding, build_config
from barkserve.v1 import speech_pb2
from tests.barkclient.scripted_server import SAMPLE_COUNT, TEXT, ScriptedSpeech
from tests.support.tcp_proxy import TcpProxy, running_proxy


@pytest_asyncio.fixture
async def proxy(speech: ScriptedSpeech) -> AsyncIterator[TcpProxy]:
    async with running_proxy(speech.target) as opened:
        yield opened


async def lose(proxy: TcpProxy, speech: ScriptedSpeech) -> None:
    """Cut the connection, wait until the server notices, then let it send further chunks."""
    proxy.cut()
    await speech.cancelled.wait()
    speech.allow(1000)


@pytest.mark.parametrize("encoding", ["pcm16", "mp3"])
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
    resume = again.resume
    assert (len(speech.requests), resume.started.seed, resume.started.request_id) == (3, 42, "mine")
    width = len(whole.audio) // SAMPLE_COUNT
    assert (resume.sample_count, resume.byte_count) == (5, 5 * width)


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
    async with AsyncClient(proxy.address, reconnect_s=0.3) as client:
        synthesis = client.synthesize(TEXT)
        await anext(synthesis)
        proxy.target = "127.0.0.1:1"
        await lose(proxy, speech)
        with pytest.raises(ServerUnavailable):
            await anext(synthesis)


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


async def test_silent_server_is_left(proxy: TcpProxy, speech: ScriptedSpeech) -> None:
    speech.heartbeat_ms = 50
    speech.allow(1)
    async with AsyncClient(proxy.address) as client:
        synthesis = client.synthesize(TEXT)
        await anext(synthesis)
        waiting = asyncio.ensure_future(synthesis.read())
        await speech.cancelled.wait()
        speech.allow(1000)
        rest = await waiting
    assert (rest.first_sample, len(speech.requests)) == (3, 2)


async def test_blocking_client_leaves_silent_server(speech: ScriptedSpeech) -> None:
    def speak() -> AudioChunk:
        with Client(speech.target) as client:
            return client.synthesize(TEXT).read()

    speech.heartbeat_ms = 50
    speech.allow(1)
    reading = asyncio.create_task(asyncio.to_thread(speak))
    await speech.cancelled.wait()
    speech.allow(1000)
    assert (await reading).sample_count == SAMPLE_COUNT
    assert len(speech.requests) == 2


def test_refused_resumption_is_repeated_until_the_limit() -> None:
    """The server may name a later time than the client waits for."""
    reconnection = Reconnection(limit_s=30.0, timeout=None)
    reconnection.arrived("audio", 0)
    assert reconnection.delay_s(ServerSilent("cut")) is not None
    assert reconnection.delay_s(Overloaded("full", 2.5)) == 2.5
    assert reconnection.delay_s(Overloaded("full", 60.0)) == pytest.approx(30, abs=5)


def test_text_source_repeats_its_text_for_the_next_call() -> None:
    source = TextSource(build_config(seed=1), iter(["a", "b", "c"]))
    first = source.requests(None)
    assert [next(first).WhichOneof("request"), next(first).text] == ["config", "a"]
    resume = speech_pb2.Resume(sample_count=7)
    again = list(source.requests(resume))
    assert again[0].config.options.resume == resume
    assert [each.text for each in again[1:-1]] == ["a", "b", "c"]
    assert again[-1].HasField("end")


def test_answer_ends_an_outage_before_new_audio() -> None:
    """The server makes the speech again from its start, which can take longer than the limit."""

    def cut() -> ServerUnavailable:
        error = ServerUnavailable("cut")
        metadata = grpc.aio.Metadata()
        error.__cause__ = grpc.aio.AioRpcError(grpc.StatusCode.UNAVAILABLE, metadata, metadata)
        return error

    reconnection = Reconnection(0.5, None)
    for _ in range(3):
        reconnection.arrived("started", 0)
        assert reconnection.delay_s(cut()) is not None
        time.sleep(0.3)
    assert reconnection.delay_s(cut()) is None  # no answer since the last cut
