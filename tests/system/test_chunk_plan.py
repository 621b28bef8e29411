"""All replicas of the fine stage speak a synthesis with one chunk plan: that of the slowest."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path

import grpc
import pytest

from barkserve.constants import STAGES
from barkserve.v1 import common_pb2, speech_pb2, speech_pb2_grpc
from fixtures.checkpoints import TINY, CheckpointSpec, never_ending
from tests.support.services import RunningService, running

SPEC = replace(never_ending(TINY), max_new_tokens=60)
FAST = {"first_chunk_frames": 4, "chunk_growth": 1.0, "max_chunk_frames": 4}
SLOW = {"first_chunk_frames": 4, "chunk_growth": 3.0, "max_chunk_frames": 40}
SLOW_PLAN = common_pb2.ChunkPlan(first_frames=4, growth=3, max_frames=40, lookahead_frames=8)


def request_of(**options: object) -> speech_pb2.SynthesizeRequest:
    return speech_pb2.SynthesizeRequest(text="hello the world", seed=4, **options)


@asynccontextmanager
async def speech_with(
    folder: Path, *fine: dict[str, float]
) -> AsyncIterator[speech_pb2_grpc.SpeechServiceStub]:
    """All services, with a fine replica for each of some options."""
    async with AsyncExitStack() as stack:
        addresses: dict[str, str] = {}
        for stage in STAGES:
            replicas: list[RunningService] = []
            for options in fine if stage == "fine" else ({},):
                replicas.append(await stack.enter_async_context(running(stage, folder, **options)))
            addresses[stage] = ",".join(each.address for each in replicas)
        started = await stack.enter_async_context(running("orchestrator", folder, **addresses))
        stub = speech_pb2_grpc.SpeechServiceStub(started.channel)
        yield stub


async def spoken(
    stub: speech_pb2_grpc.SpeechServiceStub, request: speech_pb2.SynthesizeRequest
) -> tuple[common_pb2.ChunkPlan | None, bytes]:
    """The reported plan and the audio."""
    responses = [each async for each in stub.Synthesize(request)]
    started = responses[0].started
    plan = started.chunk_plan if started.HasField("chunk_plan") else None
    return plan, b"".join(each.audio.audio for each in responses)


async def reported_plan(stub: speech_pb2_grpc.SpeechServiceStub) -> common_pb2.ChunkPlan | None:
    return (await spoken(stub, request_of()))[0]


async def test_one_seed_is_one_waveform_on_different_replicas(
    checkpoint_of: Callable[[CheckpointSpec], Path],
) -> None:
    folder = checkpoint_of(SPEC)
    async with speech_with(folder, SLOW) as stub:
        while await reported_plan(stub) is None:
            pass
        _, expected = await spoken(stub, request_of())
    async with speech_with(folder, FAST, SLOW) as stub:
        while await reported_plan(stub) != SLOW_PLAN:
            pass
        audio = {(await spoken(stub, request_of()))[1] for _ in range(6)}
    assert audio == {expected}
    async with speech_with(folder, FAST) as stub:
        while await reported_plan(stub) is None:
            pass
        _, own = await spoken(stub, request_of())
        assert own != expected  # or the test would prove nothing
        given = speech_pb2.FineOptions(chunk_plan=SLOW_PLAN)
        assert await spoken(stub, request_of(fine=given)) == (SLOW_PLAN, expected)


async def test_resumed_synthesis_keeps_its_plan(
    checkpoint_of: Callable[[CheckpointSpec], Path],
) -> None:
    folder = checkpoint_of(SPEC)
    async with speech_with(folder, SLOW) as stub:
        while await reported_plan(stub) is None:
            pass
        responses = [each async for each in stub.Synthesize(request_of())]
    chunks = [each.audio for each in responses if each.HasField("audio")]
    whole = b"".join(chunk.audio for chunk in chunks)
    resume = speech_pb2.Resume(
        started=responses[0].started,
        segments=chunks[0].segments,
        sample_count=chunks[0].sample_count,
        byte_count=len(chunks[0].audio),
    )
    async with speech_with(folder, FAST) as stub:
        plan, rest = await spoken(stub, request_of(resume=resume))
    assert plan == SLOW_PLAN
    assert chunks[0].audio + rest == whole


async def test_exact_synthesis_has_no_plan(
    checkpoint_of: Callable[[CheckpointSpec], Path],
) -> None:
    async with speech_with(checkpoint_of(SPEC), SLOW) as stub:
        exact = request_of(delivery_mode=common_pb2.DELIVERY_MODE_EXACT)
        assert (await spoken(stub, exact))[0] is None


@pytest.mark.parametrize(
    "plan",
    [{"growth": 1, "max_frames": 1}, {"first_frames": 1, "growth": 0.5, "max_frames": 1}],
)
async def test_invalid_plan_is_refused(
    checkpoint_of: Callable[[CheckpointSpec], Path], plan: dict[str, float]
) -> None:
    async with speech_with(checkpoint_of(SPEC), SLOW) as stub:
        given = speech_pb2.FineOptions(chunk_plan=common_pb2.ChunkPlan(**plan))
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await spoken(stub, request_of(fine=given))
    assert raised.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "chunk_plan" in (raised.value.details() or "")
