"""A call to a stage that ends streams which wait for input, or has another checkpoint."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from barkserve.checkpoint.folder import CheckpointFolder
from barkserve.discovery.spec import resolver_of
from barkserve.errors import StageUnavailable
from barkserve.orchestrator.stages.call import StageCall
from barkserve.orchestrator.stages.pool import StagePool
from barkserve.orchestrator.stages.retry import RetryPolicy
from barkserve.serving.channel import Dialer
from barkserve.v1 import coarse_pb2, coarse_pb2_grpc
from fixtures.checkpoints import TINY, CheckpointSpec
from tests.support.fakes import until
from tests.support.services import RunningService, running

Requests = AsyncIterator[coarse_pb2.CoarseServiceGenerateRequest]


def ended(service: RunningService) -> float:
    """Calls that the stage ended because they were idle."""
    return service.metric("barkserve_requests_total", stage="coarse", outcome="ABORTED")


async def test_call_continues_however_often_it_was_idle(
    checkpoint_of: Callable[[CheckpointSpec], Path],
) -> None:
    """The text of a conversation may come late. No idle time counts as a failed replica."""
    spoken = asyncio.Event()

    async def requests() -> Requests:
        yield coarse_pb2.CoarseServiceGenerateRequest(config=coarse_pb2.CoarseConfig())
        await spoken.wait()
        tokens = coarse_pb2.SemanticInput(tokens=range(20))
        yield coarse_pb2.CoarseServiceGenerateRequest(semantic=tokens)

    async with running("coarse", checkpoint_of(TINY), input_idle_seconds=0.1) as service:
        pool = StagePool("coarse", resolver_of("--coarse", service.address, 0), Dialer())
        call = StageCall(
            pool,
            lambda channel: coarse_pb2_grpc.CoarseServiceStub(channel).Generate,
            requests,
            RetryPolicy(None, lambda: 0.0, lambda: 0.0),
        )
        reading = asyncio.create_task(read(call))
        await until(lambda: ended(service) >= 5)
        spoken.set()
        assert (await reading)[-1] == "finished"
        (replica,) = pool.replicas
        assert replica.failures == 0
        await pool.close()


async def test_stage_with_another_checkpoint_is_passed_over(
    checkpoint_of: Callable[[CheckpointSpec], Path],
) -> None:
    """In a rollout to another checkpoint, both run for a while."""
    other = replace(TINY, hidden=TINY.hidden * 2)

    async def requests() -> Requests:
        yield coarse_pb2.CoarseServiceGenerateRequest(config=coarse_pb2.CoarseConfig())
        tokens = coarse_pb2.SemanticInput(tokens=range(20))
        yield coarse_pb2.CoarseServiceGenerateRequest(semantic=tokens)

    async with (
        running("coarse", checkpoint_of(TINY)) as mine,
        running("coarse", checkpoint_of(other)) as foreign,
    ):
        revision = CheckpointFolder.open(checkpoint_of(TINY)).fingerprint
        for addresses in ((foreign.address, mine.address), (foreign.address,)):
            pool = StagePool(
                "coarse",
                resolver_of("--coarse", f"static:{','.join(addresses)}", 0),
                Dialer(),
                checkpoint_revision=revision,
            )
            call = StageCall(
                pool,
                lambda channel: coarse_pb2_grpc.CoarseServiceStub(channel).Generate,
                requests,
                RetryPolicy(None, lambda: 0.0, lambda: 0.0),
            )
            if mine.address in addresses:
                for _ in range(4):
                    assert (await read(call))[-1] == "finished"
            else:
                with pytest.raises(StageUnavailable, match=f"orchestrator {revision}"):
                    await read(call)
            await pool.close()


async def read(
    call: StageCall[
        coarse_pb2.CoarseServiceGenerateRequest, coarse_pb2.CoarseServiceGenerateResponse
    ],
) -> list[str | None]:
    """The kinds of all responses."""
    return [response.WhichOneof("response") async for response in call.responses()]
