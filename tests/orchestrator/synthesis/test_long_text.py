"""Long text: seamless segments, two at a time, and nothing lost when a stage is full or fails."""

import asyncio
import gc
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from weakref import WeakSet

import grpc
import numpy as np
import pytest
import pytest_asyncio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from barkserve.checkpoint.folder import bundled_checkpoint
from barkserve.errors import Overloaded
from barkserve.orchestrator.synthesis.pipeline import Pipeline
from barkserve.orchestrator.text.budget import Budget
from barkserve.semantic.servicer import SemanticServicer
from barkserve.v1 import codec_pb2, codec_pb2_grpc, common_pb2, speech_pb2
from fixtures.checkpoints import TINY, CheckpointSpec
from tests.support.dialog import FLOATS, config, dialog, spoken
from tests.support.fakes import until
from tests.support.services import Chain, RunningService, running, running_chain

pytestmark = pytest.mark.asyncio(loop_scope="module")

SPEC = replace(TINY, max_new_tokens=600, block_size=1024)  # room for 25 letters
SENTENCE = "Hello the brown fox. "


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def chain(checkpoint_of: Callable[[CheckpointSpec], Path]) -> AsyncIterator[Chain]:
    async with running_chain(checkpoint_of(SPEC)) as started:
        yield started


async def decoded(chain: Chain, codes: list[int]) -> np.ndarray:
    """Decode all frames in one call to the codec."""

    async def requests() -> AsyncIterator[codec_pb2.DecodeRequest]:
        yield codec_pb2.DecodeRequest(config=codec_pb2.CodecConfig())
        yield codec_pb2.DecodeRequest(frames=codec_pb2.FineInput(codes=codes))

    stub = codec_pb2_grpc.CodecServiceStub(chain.services["codec"].channel)
    pcm = b"".join([response.samples.pcm async for response in stub.Decode(requests())])
    return np.frombuffer(pcm, "<f4")


async def test_segments_decode_as_one_continuous_stream(chain: Chain) -> None:
    audio, finished = await spoken(chain, SENTENCE * 5, seed=3, return_voice=True)
    assert len(finished.segments) == 5
    assert len(finished.voice.fine_prompt) // 8 * 320 == finished.sample_count
    at_once = await decoded(chain, list(finished.voice.fine_prompt))
    np.testing.assert_allclose(np.frombuffer(audio, "<f4"), at_once, atol=1e-6)


async def test_segments_shorter_than_codec_start_are_spoken(
    checkpoint_of: Callable[[CheckpointSpec], Path],
) -> None:
    """The codec needs seven frames to begin, and must not wait for them in shorter text."""
    short = replace(SPEC, eos_after=4, eos_spread=2)
    async with running_chain(checkpoint_of(short)) as chain:
        _, finished = await spoken(chain, "Hello. The world. The fox.", seed=3)
    samples = [segment.sample_count for segment in finished.segments]
    assert len(samples) == 3
    assert 0 < samples[0] < 7 * 320
    assert sum(samples) == finished.sample_count


async def test_segment_continues_the_previous_one(chain: Chain) -> None:
    """The second segment equals Synthesize with the first segment as its voice."""
    none = speech_pb2.VoiceSelection(name="none")
    first = (await spoken(chain, SENTENCE, seed=3, voice=none, return_voice=True))[1]
    both = (await spoken(chain, SENTENCE + "The world", seed=3, voice=none, return_voice=True))[1]
    after = speech_pb2.VoiceSelection(history_prompt=first.voice)
    seed = both.segments[1].seed
    second = (await spoken(chain, "The world", seed=seed, voice=after, return_voice=True))[1]
    for tokens in ("semantic_prompt", "coarse_prompt"):
        parts = [*getattr(first.voice, tokens), *getattr(second.voice, tokens)]
        assert list(getattr(both.voice, tokens)) == parts


@pytest.fixture
def segments_in_memory(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], int]]:
    """Counts the segments in memory.

    Objects that exist already are frozen: collecting them would stop the services for too long.
    """
    alive: WeakSet[Pipeline] = WeakSet()
    init = Pipeline.__init__

    def recording_init(self: Pipeline, *arguments: Any) -> None:
        init(self, *arguments)
        alive.add(self)

    def count() -> int:
        gc.collect()
        return len(alive)

    monkeypatch.setattr(Pipeline, "__init__", recording_init)
    gc.freeze()
    yield count
    gc.unfreeze()


async def test_synthesis_keeps_two_segments_in_memory(
    chain: Chain, segments_in_memory: Callable[[], int]
) -> None:
    request = speech_pb2.SynthesizeRequest(text=SENTENCE * 40, seed=1, audio_format=FLOATS)
    begun: set[int] = set()
    async for response in chain.speech.Synthesize(request):
        segment = response.audio.text_span.start // len(SENTENCE)
        if (
            response.WhichOneof("response") == "audio"
            and segment % 10 == 9
            and segment not in begun
        ):
            begun.add(segment)
            await until(lambda: segments_in_memory() <= 2)  # once ended ones are collected
    assert len(response.finished.segments) == 40
    assert begun == {9, 19, 29, 39}


async def test_segment_is_split_when_a_stage_refuses_it(
    checkpoint_of: Callable[[CheckpointSpec], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    generous = classmethod(lambda cls, config, *, letters_only: Budget(150))
    monkeypatch.setattr(Budget, "from_config", generous)
    text = "x" * 70 + " hello, the world. Hello"  # an utterance holds 32 tokens
    async with running_chain(checkpoint_of(SPEC)) as chain:
        _, finished = await spoken(chain, text, seed=1)
    spans = [(segment.text_span.start, segment.text_span.end) for segment in finished.segments]
    assert len(spans) > 3
    assert "".join(text[start:end] for start, end in spans) == text.replace(" ", "") or (
        " ".join(text[start:end] for start, end in spans).replace(" ", "") == text.replace(" ", "")
    )
    assert len({segment.seed for segment in finished.segments}) == len(spans)


async def test_synthesis_retries_a_full_stage_once_begun(
    checkpoint_of: Callable[[CheckpointSpec], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    generate, script = SemanticServicer.Generate, [True] * 4 + [False] * 2 + [True] * 2

    async def scripted(self: Any, requests: Any, context: Any) -> AsyncIterator[Any]:
        if not script or not script.pop(0):
            raise Overloaded("all slots are in use", 0.1)
        async for response in generate(self, requests, context):
            yield response

    monkeypatch.setattr(SemanticServicer, "Generate", scripted)
    async with running_chain(checkpoint_of(SPEC)) as chain:
        expected = await spoken(chain, SENTENCE * 3, seed=1)
        assert (await spoken(chain, SENTENCE * 3, seed=1))[0] == expected[0]
        assert script == []  # full from now on
        with pytest.raises(
            grpc.aio.AioRpcError
        ) as caught:  # nothing was sent yet, so the client can retry
            await spoken(chain, SENTENCE, seed=1)
        assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


async def test_audio_is_seamless_when_codec_is_lost(
    checkpoint_of: Callable[[CheckpointSpec], Path],
) -> None:
    folder = checkpoint_of(SPEC)
    async with running_chain(folder) as chain, running("codec", folder) as second:
        expected = await spoken(chain, SENTENCE * 8, seed=1)
        codecs: list[RunningService] = [chain.services["codec"], second]
        stages = {name: chain.services[name].address for name in ("semantic", "coarse", "fine")}
        both = ",".join(codec.address for codec in codecs)
        async with running("orchestrator", folder, codec=both, **stages) as orchestrator:
            again = Chain(chain.services | {"orchestrator": orchestrator})
            async with dialog(again) as call:
                await call.send(config=config(seed=1, text=SENTENCE * 6 + "Hello"))
                while (await call.until("audio")).audio.text_span.start < 5 * len(SENTENCE):
                    pass
                busy = [c for c in codecs if c.metric("barkserve_streams", stage="codec")]
                await busy[0].server.stop(grace=None)
                await call.send(text=SENTENCE.removeprefix("Hello") + SENTENCE)
                await call.rest()
    assert call.last().segments == expected[1].segments
    received, whole = (np.frombuffer(audio, "<f4") for audio in (call.audio(), expected[0]))
    np.testing.assert_allclose(received, whole, atol=1e-5)


async def test_next_segment_starts_before_audio_is_read(chain: Chain) -> None:
    semantic = chain.services["semantic"]
    requests = {"stage": "semantic", "outcome": "OK"}
    before = semantic.metric("barkserve_requests_total", **requests)
    request = speech_pb2.SynthesizeRequest(text=SENTENCE * 9, seed=1, audio_format=FLOATS)
    call = chain.speech.Synthesize(request)
    while (await call.read()).WhichOneof("response") != "audio":
        pass
    await until(lambda: semantic.metric("barkserve_requests_total", **requests) >= before + 2)
    assert not call.done()
    call.cancel()


ANY_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(ANY_TEXT)
async def test_synthesis_speaks_or_refuses_any_text(mini: Chain, text: str) -> None:
    semantic = speech_pb2.SemanticOptions(max_tokens=20)
    refused: grpc.aio.AioRpcError | None = None
    async with asyncio.timeout(60):
        try:
            audio, finished = await spoken(mini, text, semantic=semantic)
        except grpc.aio.AioRpcError as error:
            refused = error
    if refused is not None:
        assert refused.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert refused.details().startswith("text")
        return
    assert len(audio) == 4 * finished.sample_count > 0
    reasons = {segment.finish_reason for segment in finished.segments}
    assert reasons <= {
        common_pb2.FINISH_REASON_STOP,
        common_pb2.FINISH_REASON_LENGTH,
        common_pb2.FINISH_REASON_SILENCE,  # ".0", for instance
    }


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def mini() -> AsyncIterator[Chain]:
    async with running_chain(bundled_checkpoint()) as started:
        yield started


async def test_bundled_model_keeps_its_voice_in_a_paragraph(mini: Chain) -> None:
    text = "The tea is ready. We had bread and honey. It is raining, so I shall stay here. Good."
    _, finished = await spoken(mini, text, seed=1, return_voice=True)
    sentences = [text[p.text_span.start : p.text_span.end] for p in finished.segments]
    assert " ".join(sentences) == text
    assert len(sentences) == 4
    assert finished.finish_reason == common_pb2.FINISH_REASON_STOP
    seconds = [segment.sample_count / 24_000 for segment in finished.segments]
    assert all(0.03 < s / len(t) < 0.2 for s, t in zip(seconds, sentences, strict=True))
    spectrum = np.array(finished.voice.coarse_prompt[::2])
    assert (spectrum < 512).mean() > 0.95  # the default voice's codes
