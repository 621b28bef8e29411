"""A resumed synthesis continues where it was cut, in every encoding, and repeats nothing."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc
import pytest
import pytest_asyncio
from google.rpc import error_details_pb2

from barkserve.serving.status import DETAILS_KEY
from barkserve.v1 import speech_pb2
from fixtures.checkpoints import TINY, CheckpointSpec, never_ending
from tests.support.dialog import FLOATS, audio_of, config, dialog
from tests.support.services import Chain, running_chain

pytestmark = pytest.mark.asyncio(loop_scope="module")

SPEC = replace(never_ending(TINY), max_new_tokens=60)
TEXT = "hello the world. The fox, it laughs. So do I."
Responses = Sequence[Any]
ENCODINGS = [  # with a speaking rate; the others are samples, with or without a header
    (speech_pb2.AUDIO_ENCODING_PCM16, 1.0),
    (speech_pb2.AUDIO_ENCODING_FLAC, 1.0),
    (speech_pb2.AUDIO_ENCODING_OGG_OPUS, 1.0),
    (speech_pb2.AUDIO_ENCODING_MP3, 1.0),
    (speech_pb2.AUDIO_ENCODING_PCM16, 0.7),
    (speech_pb2.AUDIO_ENCODING_MP3, 1.5),
]


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def chain(checkpoint_of: Callable[[CheckpointSpec], Path]) -> AsyncIterator[Chain]:
    async with running_chain(checkpoint_of(SPEC), heartbeat_seconds=0.1) as started:
        yield started


def resume(received: Responses) -> speech_pb2.Resume:
    """What a client that received these messages asks for."""
    audio = [each.audio for each in received]
    (started,) = (each.started for each in received if each.HasField("started"))
    return speech_pb2.Resume(
        started=started,
        segments=[segment for chunk in audio for segment in chunk.segments],
        sample_count=sum(chunk.sample_count for chunk in audio),
        byte_count=sum(len(chunk.audio) for chunk in audio),
        word_count=len(words(received)),
    )


def words(responses: Responses) -> list[Any]:
    """All word times."""
    return [word for each in responses for word in each.words.words]


def ends(responses: Responses, count: int) -> list[int]:
    """Up to `count` places to cut a stream: after the first audio, and further ones."""
    after = [index + 1 for index, response in enumerate(responses) if response.HasField("audio")]
    return after[:: max(1, len(after) // count)]


async def synthesize(chain: Chain, **options: Any) -> Responses:
    request = speech_pb2.SynthesizeRequest(text=TEXT, word_times=True, **options)
    responses = [response async for response in chain.speech.Synthesize(request)]
    return [each for each in responses if not each.HasField("heartbeat")]


@pytest.mark.parametrize(("encoding", "speaking_rate"), ENCODINGS)
async def test_resumed_synthesis_continues_at_the_next_byte(
    chain: Chain, encoding: speech_pb2.AudioEncoding, speaking_rate: float
) -> None:
    options: dict[str, Any] = {
        "seed": 5,
        "speaking_rate": speaking_rate,
        "audio_format": speech_pb2.AudioFormat(encoding=encoding, sample_rate_hertz=16_000),
    }
    whole = await synthesize(chain, **options)
    assert len(whole[-1].finished.segments) > 1
    for end in ends(whole, 2):
        received = whole[:end]
        again = await synthesize(chain, resume=resume(received), **options)
        assert audio_of(received) + audio_of(again) == audio_of(whole)
        assert [*words(received), *words(again)] == words(whole)
        chunks = [each.audio for each in [*received, *again] if each.HasField("audio")]
        position = 0
        for chunk in chunks:
            assert chunk.first_sample == position
            position += chunk.sample_count
        finished = again[-1].finished
        assert finished.sample_count == position == whole[-1].finished.sample_count
        assert finished.segments == whole[-1].finished.segments
        spoken = [segment.text_span for chunk in chunks for segment in chunk.segments]
        assert spoken == [segment.text_span for segment in finished.segments]


async def test_resumed_context_speaks_early_segments_again(chain: Chain) -> None:
    """Text spoken before its sentence was complete stays a segment when all text is known."""
    begin, middle, end = "hello the world and", " the fox laughs", ". So do I."
    async with dialog(chain) as call:
        await call.send(config=config(max_delay_ms=1, seed=3, word_times=True, text=begin))
        await call.until("audio")
        await call.send(text=middle)
        await call.send(flush=speech_pb2.Flush(flush_id="1"))
        await call.until("flush_done")
        await call.send(text=end)
        await call.send(flush=speech_pb2.Flush(flush_id="2"))
        await call.rest()
    whole = [each for each in call.received if not each.HasField("heartbeat")]
    segments = whole[-1].finished.segments
    assert segments[0].text_span.end < len(begin)  # cut before the end of the text so far
    for cut in ends(whole, 3):
        received = whole[:cut]
        done = [each.flush_done.flush_id for each in received if each.HasField("flush_done")]
        async with dialog(chain) as call:
            await call.send(
                config=config(max_delay_ms=1, word_times=True, text=begin, resume=resume(received))
            )
            await call.send(text=middle)
            if "1" not in done:
                await call.send(flush=speech_pb2.Flush(flush_id="1"))
            await call.send(text=end)
            await call.send(flush=speech_pb2.Flush(flush_id="2"))
            await call.rest()
        again = [each for each in call.received if not each.HasField("heartbeat")]
        heard = [segment for each in received for segment in each.audio.segments]
        count = sum(
            segment.sample_count
            for segment in segments
            if segment.text_span.end <= heard[-1].text_span.end
        )
        known = count * 4  # bytes of the segments that must be the same
        joined = audio_of(received) + audio_of(again)
        assert joined[:known] == audio_of(whole)[:known]
        if len(heard) == len(segments):
            assert joined == audio_of(whole)
            assert [*words(received), *words(again)] == words(whole)
        done += [each.flush_done.flush_id for each in again if each.HasField("flush_done")]
        assert done == ["1", "2"]
        assert again[-1].finished.sample_count * 4 == len(joined)


async def test_another_speaking_rate_does_not_resume(chain: Chain) -> None:
    received = (await synthesize(chain, seed=1, speaking_rate=1.5))[:2]
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await synthesize(chain, resume=resume(received), speaking_rate=2)
    assert raised.value.code() is grpc.StatusCode.FAILED_PRECONDITION
    assert "speaking_rate 1.5" in str(raised.value.details())


async def test_another_checkpoint_does_not_resume(chain: Chain) -> None:
    received = (await synthesize(chain, seed=1))[:2]
    changed = resume(received)
    changed.started.model_revision = "older"
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await synthesize(chain, resume=changed)
    assert raised.value.code() is grpc.StatusCode.FAILED_PRECONDITION
    assert "model_revision 'older'" in str(raised.value.details())
    metadata = raised.value.trailing_metadata()
    assert metadata is not None
    assert error_details_pb2.PreconditionFailure.__name__.encode() in metadata[DETAILS_KEY]


@pytest.mark.parametrize(
    ("segments", "expected"),
    [([(0, 5), (3, 8)], "order"), ([(0, 5000)], "4096"), ([(0, 500)], "parts of the text")],
)
async def test_wrong_segments_are_refused(
    chain: Chain, segments: list[tuple[int, int]], expected: str
) -> None:
    wrong = resume((await synthesize(chain, seed=1))[:2])
    del wrong.segments[:]
    for start, end in segments:
        wrong.segments.add(text_span=speech_pb2.TextSpan(start=start, end=end))
    with pytest.raises(grpc.aio.AioRpcError, match=expected) as raised:
        await synthesize(chain, resume=wrong)
    assert raised.value.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_more_audio_than_the_speech_has_is_refused(chain: Chain) -> None:
    wrong = resume(await synthesize(chain, seed=1))
    wrong.byte_count += 2
    with pytest.raises(grpc.aio.AioRpcError, match="shorter") as raised:
        await synthesize(chain, resume=wrong)
    assert raised.value.code() is grpc.StatusCode.FAILED_PRECONDITION


async def test_cancelled_context_counts_samples_of_both_calls(chain: Chain) -> None:
    received = await synthesize(chain, seed=1, audio_format=FLOATS)
    again = resume(received[: ends(received, 1)[0]])
    assert again.sample_count > 0
    async with dialog(chain) as call:
        await call.send(config=config(resume=again))
        await call.send(cancel=speech_pb2.Cancel())
        finished = (await call.until("finished")).finished
    sent = sum(each.audio.sample_count for each in call.received)
    assert finished.sample_count == again.sample_count + sent


async def test_quiet_call_gets_heartbeats(chain: Chain) -> None:
    async with dialog(chain) as call:
        await call.until("heartbeat")  # before any context
        await call.send(config=config(text="hello the world"))
        started = (await call.until("started")).started
        assert started.heartbeat_ms == 100
        await call.until("heartbeat")
        await call.until("heartbeat")


async def test_call_is_quiet_without_heartbeats(
    checkpoint_of: Callable[[CheckpointSpec], Path],
) -> None:
    async with (
        running_chain(checkpoint_of(TINY), heartbeat_seconds=0) as chain,
        dialog(chain) as call,
    ):
        await call.send(config=config())
        assert (await call.until("started")).started.heartbeat_ms == 0
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(call.until("heartbeat"), 0.5)
