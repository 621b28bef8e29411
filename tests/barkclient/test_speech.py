"""Text that is spoken while it is written, against a server that answers each piece at once."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import numpy as np
import pytest

from barkclient import AsyncClient, AudioChunk, Cancelled, Client, InvalidRequest, ServerUnavailable
from barkclient._internal.context_state import ContextState
from barkserve.v1 import common_pb2, speech_pb2
from tests.barkclient.scripted_server import ScriptedSpeech, serve


def heard(chunk: AudioChunk) -> str:
    return bytes(np.frombuffer(chunk.audio, "<i2").astype(np.uint8)).decode()


async def segments(*texts: str | bytes) -> AsyncIterator[str | bytes]:
    for text in texts:
        yield text


async def test_a_piece_is_heard_before_the_next_one_is_written(speech: ScriptedSpeech) -> None:
    async with AsyncClient(speech.target) as client, client.stream() as stream:
        context = stream.speak(voice="ann", max_delay_ms=0, language="de")
        context.send("Hel")
        assert heard(await anext(context)) == "Hel"
        context.send(b"lo")
        assert heard(await anext(context)) == "lo"
        context.end()
        assert (await context.read()).audio == b""
        assert context.started.voice == "ann"
        assert (context.finished.finish_reason, context.finished.sample_count) == ("stop", 5)
    config = speech.heard[0].config
    assert config.max_delay_ms == 0
    assert (config.options.voice.name, config.options.language_code) == ("ann", "de")


async def test_contexts_of_one_call_do_not_disturb_each_other(speech: ScriptedSpeech) -> None:
    async with AsyncClient(speech.target) as client, client.stream() as stream:
        first, second, third = (stream.speak(voice=name) for name in ("a", "b", "c"))
        for context in (first, second, third):
            context.send("one")
        second.send("fail")
        first.send("more")
        first.end()
        third.end()
        assert heard(await third.read()) == "one"
        assert heard(await first.read()) == "onemore"
        assert heard(await anext(second)) == "one"
        with pytest.raises(InvalidRequest) as raised:
            await anext(second)
        assert raised.value.violations[0].field == "text"
        second.send("to nobody")  # who writes need not know yet
        assert first.started.voice == "a"
        assert third.started.voice == "c"


def test_what_is_cancelled_before_it_starts_is_over() -> None:
    context = ContextState("1", "localhost:1", lambda request: None)
    context.cancel()
    finished = speech_pb2.SynthesisFinished(finish_reason=common_pb2.FINISH_REASON_CANCELLED)
    context.push(speech_pb2.StreamingSynthesizeResponse(context_id="1", finished=finished))
    assert not context.must_wait
    assert (context.finished.finish_reason, context.finished.sample_count) == ("cancelled", 0)


async def test_cancel_drops_what_is_unread_and_tells_how_much_was_sent(
    speech: ScriptedSpeech,
) -> None:
    async with AsyncClient(speech.target) as client, client.stream() as stream:
        context, other = stream.speak(), stream.speak()
        context.send("one")
        context.send("two")
        assert heard(await anext(context)) == "one"
        other.send("x")
        assert heard(await anext(other)) == "x"  # and "two" has come meanwhile
        context.cancel()
        context.send("three")
        assert [chunk async for chunk in context] == []
        assert (context.finished.finish_reason, context.finished.sample_count) == ("cancelled", 6)
        other.end()
        assert (await other.read()).audio == b""


async def test_a_flush_is_waited_for_without_losing_audio(speech: ScriptedSpeech) -> None:
    async with AsyncClient(speech.target) as client, client.stream() as stream:
        context = stream.speak()
        context.send("one")
        flush = context.flush()
        await context.wait_flushed(flush)
        assert context.flushed == (flush,)
        assert heard(await anext(context)) == "one"


async def test_a_reader_that_is_cancelled_takes_nothing_from_the_others(
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
        assert heard(await anext(other)) == "still here"


async def test_leaving_a_context_cancels_it_and_leaving_the_stream_all(
    speech: ScriptedSpeech,
) -> None:
    async with AsyncClient(speech.target) as client, client.stream() as stream:
        async with stream.speak() as left:
            left.send("one")
        other = stream.speak()
        other.send("two")
        assert heard(await anext(other)) == "two"
        assert speech.heard[2].WhichOneof("request") == "cancel"
    await speech.left.wait()
    with pytest.raises(Cancelled):
        await anext(other)


async def test_text_behind_the_end_is_a_mistake(speech: ScriptedSpeech) -> None:
    async with AsyncClient(speech.target) as client, client.stream() as stream:
        context = stream.speak()
        context.end()
        with pytest.raises(RuntimeError, match="has ended"):
            context.send("more")


async def test_a_server_that_goes_away_is_an_error_for_every_context() -> None:
    async with serve(ScriptedSpeech()) as target:
        client = AsyncClient(target)
        stream = client.stream()
        contexts = [stream.speak(), stream.speak()]
        contexts[0].send("one")
        assert heard(await anext(contexts[0])) == "one"
    for context in contexts:
        with pytest.raises((ServerUnavailable, Cancelled)):
            await context.read()
    await client.close()


async def test_an_iterator_of_text_is_spoken(speech: ScriptedSpeech) -> None:
    async with AsyncClient(speech.target) as client:
        synthesis = client.synthesize_stream(
            segments("Grü", "ß"[:1], "ße".encode()[2:]), voice="ann"
        )
        assert "".join([heard(chunk) async for chunk in synthesis]) == "Grüße"
        assert synthesis.finished.finish_reason == "stop"


async def test_what_goes_wrong_with_the_text_is_raised_to_who_listens(
    speech: ScriptedSpeech,
) -> None:
    async def failing() -> AsyncIterator[str]:
        yield "one"
        raise LookupError("the model is gone")

    async with AsyncClient(speech.target) as client:
        with pytest.raises(LookupError, match="the model is gone"):
            await client.synthesize_stream(failing()).read()
        with pytest.raises(InvalidRequest):
            await client.synthesize_stream(segments("fail")).read()


async def test_the_blocking_client_does_the_same(speech: ScriptedSpeech) -> None:
    def failing() -> Iterator[str]:
        yield "one"
        raise LookupError("the model is gone")

    def talk() -> None:
        with Client(speech.target) as client:
            assert heard(client.synthesize_stream(["one", b"two"]).read()) == "onetwo"
            with pytest.raises(LookupError):
                client.synthesize_stream(failing()).read()
            with client.stream() as stream:
                first, second = stream.speak(), stream.speak(voice="b")
                first.send("one")
                second.send("two")
                assert heard(next(first)) == "one"
                second.cancel()
                assert list(second) == []
                assert second.finished.finish_reason == "cancelled"
                first.send("more")
                first.wait_flushed(flush := first.flush())
                assert first.flushed == (flush,)
                first.end()
                assert heard(first.read()) == "more"

    await asyncio.to_thread(talk)
