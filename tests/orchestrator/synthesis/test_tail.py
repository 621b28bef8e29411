"""How segments end: token limits, trimmed silence and redraws, with fake models."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest

from barkserve.checkpoint.bark_config import SemanticGeneration
from barkserve.checkpoint.folder import CheckpointFolder, bundled_checkpoint
from barkserve.codec.job import Decoded, DecodeJob
from barkserve.engine.request import Request
from barkserve.errors import InvalidArgument
from barkserve.orchestrator.synthesis.seeds import segment_seed
from barkserve.orchestrator.synthesis.tail import Tail, resolve_tail
from barkserve.orchestrator.text.budget import Budget
from barkserve.v1 import common_pb2, speech_pb2
from fixtures.checkpoints import TINY, CheckpointSpec, never_ending
from tests.support.services import Chain, running_chain
from tests.system.test_with_fakes import HOP, Fakes, ask, fakes, running_fakes

assert fakes  # a fixture
EXACT = common_pb2.DELIVERY_MODE_EXACT
LENGTH, STOP = common_pb2.FINISH_REASON_LENGTH, common_pb2.FINISH_REASON_STOP
SILENCE = common_pb2.FINISH_REASON_SILENCE


@pytest.fixture
def generation() -> SemanticGeneration:
    return CheckpointFolder.open(bundled_checkpoint()).bark.semantic_generation


@pytest.mark.parametrize(
    ("seconds", "text", "asked", "tokens"),
    [
        (0.5, "Hello", 0, 225),  # (2 + 5 x 0.5) x 49.9
        (0.5, "Hello", 100, 100),
        (0.5, "Hello", 300, 225),
        (0.5, "Hello there, how are you?", 0, 0),  # 14.5 s: above the limit of the checkpoint
        (0.25, "$5", 0, 312),  # (2 + 17 x 0.25) x 49.9: five dollars takes longer than two letters
        (0.0, "Hello", 0, 0),
        (0.0, "Hello", 7, 7),
        (0.1, "[laughs]", 0, 0),
        (0.1, "♪ la ♪", 50, 50),
    ],
)
def test_tail_limits_tokens_by_text(
    generation: SemanticGeneration, seconds: float, text: str, asked: int, tokens: int
) -> None:
    budget = Budget(150, letters_only=True)
    assert Tail(seconds, None, 0).max_tokens(text, budget, asked, generation) == tokens


def test_resolve_tail_uses_server_defaults() -> None:
    assert resolve_tail(speech_pb2.TailOptions(), 0.5, exact=False) == Tail(0.5, None, 0)
    options = speech_pb2.TailOptions(
        max_seconds_per_character=0, max_silence_seconds=0.25, max_redraws=3
    )
    assert resolve_tail(options, 0.5, exact=False) == Tail(0.0, 0.25, 3)


@pytest.mark.parametrize(
    ("options", "limit"),
    [
        (speech_pb2.TailOptions(), 0.0),
        (speech_pb2.TailOptions(max_seconds_per_character=0.125), 0.125),
        (speech_pb2.TailOptions(max_redraws=1), 0.5),
    ],
)
def test_exact_delivery_is_unlimited_unless_asked(
    options: speech_pb2.TailOptions, limit: float
) -> None:
    assert resolve_tail(options, 0.5, exact=True).max_seconds_per_character == limit


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("max_seconds_per_character", -0.1),
        ("max_seconds_per_character", 10.1),
        ("max_silence_seconds", float("nan")),
        ("max_redraws", -1),
        ("max_redraws", 4),
    ],
)
def test_resolve_tail_names_invalid_fields(field: str, value: Any) -> None:
    with pytest.raises(InvalidArgument, match=f"tail.{field}"):
        resolve_tail(speech_pb2.TailOptions(**{field: value}), 0.5, exact=False)


async def speak(
    chain: Chain, request: speech_pb2.SynthesizeRequest
) -> tuple[np.ndarray, speech_pb2.SynthesisFinished]:
    responses = [response async for response in chain.speech.Synthesize(request)]
    audio = b"".join(response.audio.audio for response in responses)
    return np.frombuffer(audio, dtype="<f4"), responses[-1].finished


def codes(finished: speech_pb2.SynthesisFinished) -> list[int]:
    return [warning.code for warning in finished.warnings]


def with_tail(delivery: int = EXACT, **options: Any) -> speech_pb2.SynthesizeRequest:
    request = ask(delivery)
    request.seed = 5
    request.tail.CopyFrom(speech_pb2.TailOptions(**options))
    return request


def end_after(fakes: Fakes, tokens: int) -> None:
    """End every utterance after this many semantic tokens."""
    draw = fakes.semantic._draw

    def ending(request: Request, slot: int) -> int:
        drawn = fakes.semantic._drawn[request]
        draw(request, slot)
        if len(drawn) > tokens:
            drawn[-1] = TINY.eos_token
        return drawn[-1]

    fakes.semantic._draw = ending  # type: ignore[method-assign]


def silence_attempts(fakes: Fakes, attempts: range, level: float = 0.1) -> None:
    """Make the codec silent in these attempts and loud in the others.

    An attempt begins with a job that has no state.
    """
    decode, started = fakes.codec.decode, -1

    def quiet(jobs: list[DecodeJob]) -> list[Decoded]:
        nonlocal started
        started += sum(job.state is None for job in jobs)
        factor = 0.0 if started in attempts else level
        return [Decoded(np.full_like(each.samples, factor), each.state) for each in decode(jobs)]

    fakes.codec.decode = quiet  # type: ignore[method-assign]


@pytest.mark.parametrize("delivery", [1, 2])
async def test_silent_segment_is_redrawn(fakes: Fakes, delivery: int) -> None:
    end_after(fakes, 40)
    silence_attempts(fakes, range(2))
    async with running_fakes(fakes) as chain:
        audio, finished = await speak(chain, with_tail(delivery, max_redraws=3))
    assert len(audio) == 60 * HOP
    assert (audio == np.float32(0.1)).all()
    report = finished.segments[0]
    assert (report.redraws, report.seed) == (2, segment_seed(5, 0, 2))
    assert finished.finish_reason == report.finish_reason == STOP
    assert codes(finished) == [speech_pb2.WARNING_CODE_REDRAWN]


async def test_silent_segment_is_reported_without_redraws(fakes: Fakes) -> None:
    silence_attempts(fakes, range(9))
    async with running_fakes(fakes) as chain:
        audio, finished = await speak(chain, with_tail())
        assert len(audio) == len(fakes.samples())
        assert finished.finish_reason == finished.segments[0].finish_reason == SILENCE
        assert codes(finished) == [speech_pb2.WARNING_CODE_TEXT_SKIPPED]
        audio, finished = await speak(chain, with_tail(max_silence_seconds=0.05, max_redraws=1))
        assert len(audio) == 1200
        assert (finished.finish_reason, finished.segments[0].redraws) == (SILENCE, 1)


async def test_synthesis_fails_when_all_segments_are_silent(fakes: Fakes) -> None:
    silence_attempts(fakes, range(9))
    async with running_fakes(fakes) as chain:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await speak(chain, with_tail(max_silence_seconds=0))
    assert caught.value.code() is grpc.StatusCode.INTERNAL
    assert "another seed" in (caught.value.details() or "")


@pytest.mark.parametrize("redraws", [0, 2])
async def test_long_segment_is_redrawn_before_it_is_sent(fakes: Fakes, redraws: int) -> None:
    silence_attempts(fakes, range(0))
    request = with_tail(max_redraws=redraws)
    request.semantic.max_tokens = 20
    async with running_fakes(fakes) as chain:
        audio, finished = await speak(chain, request)
    assert len(audio) == finished.sample_count > 0
    assert finished.finish_reason == LENGTH
    assert [(p.redraws, p.seed) for p in finished.segments] == [
        (redraws, segment_seed(5, 0, redraws))
    ]
    assert finished.stages[0].output_count == 20
    limit = finished.warnings[0]
    assert limit.code == speech_pb2.WARNING_CODE_LENGTH_LIMIT
    assert "reached semantic.max_tokens" in limit.message
    assert (limit.text_span.start, limit.text_span.end) == (0, len(request.text))


async def test_segment_continues_the_accepted_attempt(
    fakes: Fakes,
) -> None:
    end_after(fakes, 40)
    silence_attempts(fakes, range(1))
    request = with_tail(max_redraws=1)
    request.text = "hello the world. hello hello the world."
    async with running_fakes(fakes) as chain:
        audio, finished = await speak(chain, request)
    assert [segment.redraws for segment in finished.segments] == [1, 0]
    assert sum(segment.sample_count for segment in finished.segments) == len(audio)
    assert finished.finish_reason == STOP


async def test_segment_stops_at_its_token_limit(
    checkpoint_of: Callable[[CheckpointSpec], Path],
) -> None:
    folder = checkpoint_of(replace(never_ending(TINY), max_new_tokens=400, block_size=1024))
    request = speech_pb2.SynthesizeRequest(
        text="hello the world", tail=speech_pb2.TailOptions(max_seconds_per_character=0.01)
    )
    async with running_chain(folder) as chain:
        _, finished = await speak(chain, request)
    assert finished.finish_reason == LENGTH
    assert finished.stages[0].output_count == 108  # (2 + 15 x 0.01) x 49.9
    assert "raise tail.max_seconds_per_character" in finished.warnings[0].message
