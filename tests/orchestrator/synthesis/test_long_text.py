"""Text of any length is one speech: no seam, two pieces at a time, and nothing is lost on the
way.
"""

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
    """All frames in one call to the codec."""

    async def requests() -> AsyncIterator[codec_pb2.DecodeRequest]:
        yield codec_pb2.DecodeRequest(config=codec_pb2.CodecConfig())
        yield codec_pb2.DecodeRequest(frames=codec_pb2.FineInput(codes=codes))

    stub = codec_pb2_grpc.CodecServiceStub(chain.services["codec"].channel)
    pcm = b"".join([response.samples.pcm async for response in stub.Decode(requests())])
    return np.frombuffer(pcm, "<f4")


async def test_no_seam_all_pieces_sound_as_if_decoded_at_once(chain: Chain) -> None:
    audio, finished = await spoken(chain, SENTENCE * 5, seed=3, return_voice=True)
    assert len(finished.segments) == 5
    assert len(finished.voice.fine_prompt) // 8 * 320 == finished.sample_count
    at_once = await decoded(chain, list(finished.voice.fine_prompt))
    np.testing.assert_allclose(np.frombuffer(audio, "<f4"), at_once, atol=1e-6)


async def test_pieces_too_short_for_the_codec_to_begin_with_are_heard(
    checkpoint_of: Callable[[CheckpointSpec], Path],
) -> None:
    """Fewer than seven frames: the codec cannot reflect the start, and must not wait for more."""
    short = replace(SPEC, eos_after=4, eos_spread=2)
    async with running_chain(checkpoint_of(short)) as chain:
        _, finished = await spoken(chain, "Hello. The world. The fox.", seed=3)
    samples = [segment.sample_count for segment in finished.segments]
    assert len(samples) == 3
    assert 0 < samples[0] < 7 * 320
    assert sum(samples) == finished.sample_count


async def test_each_piece_goes_on_from_the_one_before(chain: Chain) -> None:
    """The second piece is what Synthesize makes of it with the first as its voice."""
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
def pieces_there(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], int]]:
    """Counts the pieces that are in memory. What was there before is left out of the collections,
    which would stop the services for as long as they take.
    """
    there: WeakSet[Pipeline] = WeakSet()
    init = Pipeline.__init__

    def noted(self: Pipeline, *arguments: Any) -> None:
        init(self, *arguments)
        there.add(self)

    def count() -> int:
        gc.collect()
        return len(there)

    monkeypatch.setattr(Pipeline, "__init__", noted)
    gc.freeze()
    yield count
    gc.unfreeze()


async def test_no_more_than_two_pieces_are_there_however_long_the_text(
    chain: Chain, pieces_there: Callable[[], int]
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
            await until(lambda: pieces_there() <= 2)  # once those that have ended are cleared away
    assert len(response.finished.segments) == 40
    assert begun == {9, 19, 29, 39}


async def test_a_piece_that_a_stage_finds_too_long_is_spoken_in_halves(
    checkpoint_of: Callable[[CheckpointSpec], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    generous = classmethod(lambda cls, config, *, letters_only: Budget(150))
    monkeypatch.setattr(Budget, "from_config", generous)
    text = "x" * 70 + " hello, the world. Hello"  # 32 tokens are spoken in one go
    async with running_chain(checkpoint_of(SPEC)) as chain:
        _, finished = await spoken(chain, text, seed=1)
    spans = [(segment.text_span.start, segment.text_span.end) for segment in finished.segments]
    assert len(spans) > 3
    assert "".join(text[start:end] for start, end in spans) == text.replace(" ", "") or (
        " ".join(text[start:end] for start, end in spans).replace(" ", "") == text.replace(" ", "")
    )
    assert len({segment.seed for segment in finished.segments}) == len(spans)


async def test_a_stage_that_is_full_in_the_middle_of_a_text_is_asked_again(
    checkpoint_of: Callable[[CheckpointSpec], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    generate, script = SemanticServicer.Generate, [True] * 4 + [False] * 2 + [True] * 2

    async def as_told(self: Any, requests: Any, context: Any) -> AsyncIterator[Any]:
        if not script or not script.pop(0):
            raise Overloaded("all places are taken", 0.1)
        async for response in generate(self, requests, context):
            yield response

    monkeypatch.setattr(SemanticServicer, "Generate", as_told)
    async with running_chain(checkpoint_of(SPEC)) as chain:
        expected = await spoken(chain, SENTENCE * 3, seed=1)
        assert (await spoken(chain, SENTENCE * 3, seed=1))[0] == expected[0]
        assert script == []  # full from now on
        with pytest.raises(grpc.aio.AioRpcError) as caught:  # nothing is lost yet
            await spoken(chain, SENTENCE, seed=1)
        assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


async def test_a_codec_that_goes_away_between_pieces_is_not_heard(
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
            async with dialog(again) as session:
                await session.say(config=config(seed=1, text=SENTENCE * 6 + "Hello"))
                while (await session.until("audio")).audio.text_span.start < 5 * len(SENTENCE):
                    pass
                busy = [c for c in codecs if c.metric("barkserve_streams", stage="codec")]
                await busy[0].server.stop(grace=None)
                await session.say(text=SENTENCE.removeprefix("Hello") + SENTENCE)
                await session.rest()
    assert session.last().segments == expected[1].segments
    heard, whole = (np.frombuffer(audio, "<f4") for audio in (session.audio(), expected[0]))
    np.testing.assert_allclose(heard, whole, atol=1e-5)


async def test_the_next_piece_begins_before_the_audio_of_the_last_was_read(chain: Chain) -> None:
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
async def test_any_text_is_spoken_or_refused(mini: Chain, text: str) -> None:
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


async def test_the_embedded_voice_reads_a_paragraph_and_stays_itself(mini: Chain) -> None:
    text = "The tea is ready. We had bread and honey. It is raining, so I shall stay here. Good."
    _, finished = await spoken(mini, text, seed=1, return_voice=True)
    said = [text[p.text_span.start : p.text_span.end] for p in finished.segments]
    assert " ".join(said) == text
    assert len(said) == 4
    assert finished.finish_reason == common_pb2.FINISH_REASON_STOP
    seconds = [segment.sample_count / 24_000 for segment in finished.segments]
    assert all(0.03 < s / len(t) < 0.2 for s, t in zip(seconds, said, strict=True))
    spectrum = np.array(finished.voice.coarse_prompt[::2])
    assert (spectrum < 512).mean() > 0.95  # the default voice's own codes
