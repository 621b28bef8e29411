"""The health of an orchestrator follows the stages that it can reach."""

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2

from barkserve.constants import STAGES
from barkserve.services import ORCHESTRATOR
from barkserve.serving.health import health_check
from fixtures.checkpoints import TINY, CheckpointSpec
from fixtures.processes import free_port, service_process
from tests.support.services import running

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


async def health(channel: grpc.aio.Channel, service: str = ORCHESTRATOR.full_name) -> int:
    request = health_pb2.HealthCheckRequest(service=service)
    return (await health_check(channel)(request, timeout=10)).status


async def until_health(channel: grpc.aio.Channel, status: int) -> None:
    async with asyncio.timeout(60):
        while await health(channel) != status:  # noqa: ASYNC110
            await asyncio.sleep(0.1)


@pytest.fixture
def checkpoint(checkpoint_of: Callable[[CheckpointSpec], Path]) -> Path:
    return checkpoint_of(TINY)


async def test_orchestrator_without_stages_is_alive_but_not_ready(checkpoint: Path) -> None:
    flags = (f"--{stage}=127.0.0.1:{free_port()}" for stage in STAGES)
    async with (
        service_process("orchestrator", checkpoint, *flags) as service,
        grpc.aio.insecure_channel(service.address) as channel,
    ):
        await asyncio.sleep(1)
        assert await health(channel) == NOT_SERVING
        assert await health(channel, "") == SERVING


async def test_orchestrator_is_ready_while_it_reaches_all_stages(checkpoint: Path) -> None:
    async with AsyncExitStack() as stack, AsyncExitStack() as last:
        flags = ["--replica-wait-seconds=2"]
        for stage in STAGES:
            owner = last if stage == "codec" else stack
            running_stage = await owner.enter_async_context(running(stage, checkpoint))
            flags.append(f"--{stage}={running_stage.address}")
        service = await stack.enter_async_context(
            service_process("orchestrator", checkpoint, *flags)
        )
        channel = await stack.enter_async_context(grpc.aio.insecure_channel(service.address))
        await until_health(channel, SERVING)
        await last.aclose()
        await asyncio.sleep(0.5)
        assert await health(channel) == SERVING  # streams wait for it
        await until_health(channel, NOT_SERVING)
