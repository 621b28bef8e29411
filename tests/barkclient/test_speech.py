"""Streaming text input against a server that answers each text at once."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import numpy as np
import pytest

from barkclient import AsyncClient, AudioChunk, Cancelled, Client, InvalidRequest, ServerUnavailable
from barkclient._internal.context_state import ContextState
from barkserve.v1 import common_pb2, speech_pb2
from tests.barkclient.scripted_server import ScriptedSpeech, serve


def spoken(chunk: AudioChunk) -> str:
    return bytes(np.frombuffer(chunk.audio, "<i2").astype(np.uint8)).decode()


async def parts(*texts: str | bytes) -> AsyncIterator[str | bytes]:
    for text in texts:
        yield text


async def test_context_speaks_text_before_more_is_sent(speech: ScriptedSpeech) -> None:
    async with AsyncClient(speech.target) as client, client.stream() as stream:
        context = stream.speak(voice="ann", max_delay_ms=0, language="de")
        context.send("Hel")
        assert spoken(await anext(context)) == "Hel"
        context.send(b"lo")
        assert spoken(await anext(context)) == "lo"
        context.end()
        assert (await context.read()).audio == b""
        assert context.started.voice == "ann"
        assert (context.finished.finish_reason, context.finished.sample_count) == ("stop", 5)
    config = speech.stream_requests[0].config
    assert config.max_delay_ms == 0
    assert (config.options.voice.name, config.options.language_code) == ("ann", "de")


async def test_contexts_of_one_call_are_independent(speech: ScriptedSpeech) -> None:
    async with AsyncClient(speech.target) as client, client.stream() as stream:
        first, second, third = (stream.speak(voice=name) for name in ("a", "b", "c"))
        for context in (first, second, third):
            context.send("one")
        second.send("fail")
        first.send("more")
        first.end()
        third.end()
        assert spoken(await third.read()) == "one"
        assert spoken(await first.read()) == "onemore"
        assert spoken(await anext(second)) == "one"
        with pytest.raises(InvalidRequest) as raised:
            await anext(second)
        assert raised.value.violations[0].field == "text"
        second.send("ignored")  # the sender may not know of the failure yet
        assert first.started.voice == "a"
        assert third.started.voice == "c"


def test_context_ends_when_cancelled_before_start() -> None:
    context = ContextState("1", "localhost:1", lambda sent, request: None)
    context.cancel()
    finished = speech_pb2.SynthesisFinished(finish_reason=common_pb2.FINISH_REASON_CANCELLED)
    context.push(speech_pb2.StreamingSynthesizeResponse(context_id="1", finished=finished))
    assert not context.must_wait
    assert (context.finished.finish_reason, context.finished.sample_count) == ("cancelled", 0)


async def test_cancel_drops_unread_audio_and_reports_sent_samples(
    speech: ScriptedSpeech,
) -> None:
    async with AsyncClient(speech.target) as client, client.stream() as stream:
        context, other = stream.speak(), stream.speak()
        context.send("one")
        context.send("two")
        assert spoken(await anext(context)) == "one"
        other.send("x")
        assert spoken(await anext(other)) == "x"  # "two" has arrived meanwhile
        context.cancel()
        context.send("three")
        assert [chunk async for chunk in context] == []
        assert (context.finished.finish_reason, context.finished.sample_count) == ("cancelled", 6)
        other.end()
        assert (await other.read()).audio == b""


async def test_wait_flushed_keeps_audio_for_reading(speech: ScriptedSpeech) -> None:
    async with AsyncClient(speech.target) as client, client.stream() as stream:
        context = stream.speak()
        context.send("one")
        flush = context.flush()
        await context.wait_flushed(flush)
        assert context.flushed == (flush,)
        assert spoken(await anext(context)) == "one"


async def test_cancelled_reader_does_not_affect_other_contexts(
    speech: ScriptedSpeech,
) -> None:
    async with AsyncClient(speech.target) as client, client.stream() as stream:
        interrupted, other = stream.speak(), stream.speak()
        reader = asyncio.create_task(interrupted.read())
        await asyncio.sleep(0.05)
        reader.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reader
        other.send("still here")
        assert spoken(await anext(other)) == "still here"


async def test_with_block_cancels_context_or_whole_stream(
    speech: ScriptedSpeech,
) -> None:
    async with AsyncClient(speech.target) as client, client.stream() as stream:
        async with stream.speak() as cancelled:
            cancelled.send("one")
        other = stream.speak()
        other.send("two")
        assert spoken(await anext(other)) == "two"
        assert speech.stream_requests[2].WhichOneof("request") == "cancel"
    await speech.stream_ended.wait()
    with pytest.raises(Cancelled):
        await anext(other)


async def test_send_raises_after_end(speech: ScriptedSpeech) -> None:
    async with AsyncClient(speech.target) as client, client.stream() as stream:
        context = stream.speak()
        context.end()
        with pytest.raises(RuntimeError, match="has ended"):
            context.send("more")


async def test_lost_server_is_an_error_in_every_context() -> None:
    async with serve(ScriptedSpeech()) as target:
        client = AsyncClient(target, reconnect_s=0.5)
        stream = client.stream()
        contexts = [stream.speak(), stream.speak()]
        contexts[0].send("one")
        assert spoken(await anext(contexts[0])) == "one"
    for context in contexts:
        with pytest.raises((ServerUnavailable, Cancelled)):
            await context.read()
    await client.close()


async def test_synthesize_stream_speaks_an_iterator(speech: ScriptedSpeech) -> None:
    async with AsyncClient(speech.target) as client:
        synthesis = client.synthesize_stream(parts("Grü", "ß"[:1], "ße".encode()[2:]), voice="ann")
        assert "".join([spoken(chunk) async for chunk in synthesis]) == "Grüße"
        assert synthesis.finished.finish_reason == "stop"


async def test_synthesize_stream_raises_errors_of_the_text(
    speech: ScriptedSpeech,
) -> None:
    async def failing() -> AsyncIterator[str]:
        yield "one"
        raise LookupError("the model is gone")

    async with AsyncClient(speech.target) as client:
        with pytest.raises(LookupError, match="the model is gone"):
            await client.synthesize_stream(failing()).read()
        with pytest.raises(InvalidRequest):
            await client.synthesize_stream(parts("fail")).read()


async def test_blocking_client_streams_text_the_same_way(speech: ScriptedSpeech) -> None:
    def failing() -> Iterator[str]:
        yield "one"
        raise LookupError("the model is gone")

    def run() -> None:
        with Client(speech.target) as client:
            assert spoken(client.synthesize_stream(["one", b"two"]).read()) == "onetwo"
            with pytest.raises(LookupError):
                client.synthesize_stream(failing()).read()
            with client.stream() as stream:
                first, second = stream.speak(), stream.speak(voice="b")
                first.send("one")
                second.send("two")
                assert spoken(next(first)) == "one"
                second.cancel()
                assert list(second) == []
                assert second.finished.finish_reason == "cancelled"
                first.send("more")
                first.wait_flushed(flush := first.flush())
                assert first.flushed == (flush,)
                first.end()
                assert spoken(first.read()) == "more"

    await asyncio.to_thread(run)
