"""Draining a real process, after a signal and at a connection's maximum age."""

import asyncio
import math
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from barkserve.discovery.endpoint import Endpoint
from barkserve.discovery.replica import Replica
from barkserve.services import CODEC
from barkserve.serving.channel import Dialer
from barkserve.v1 import codec_pb2, codec_pb2_grpc
from fixtures.checkpoints import TINY, CheckpointSpec
from fixtures.processes import free_port, service_process
from tests.support.fakes import until

HOP = math.prod(TINY.upsampling_ratios)
SERVING, NOT_SERVING = 1, 2


async def health(channel: grpc.aio.Channel, service: str) -> int:
    request = health_pb2.HealthCheckRequest(service=service)
    answer = await health_pb2_grpc.HealthStub(channel).Check(request)
    return int(answer.status)


async def two_inputs(resume: asyncio.Event) -> AsyncIterator[Any]:
    """40 frames, and 40 more once `resume` is set."""
    yield codec_pb2.DecodeRequest(config=codec_pb2.CodecConfig())
    for _ in range(2):
        codes = [1] * TINY.n_fine_codebooks * 40
        yield codec_pb2.DecodeRequest(frames=codec_pb2.FineInput(codes=codes))
        await resume.wait()


def sample_count(responses: list[Any]) -> int:
    """The number of samples in a finished stream."""
    assert responses[-1].WhichOneof("response") == "finished"
    return sum(len(response.samples.pcm) // 4 for response in responses)


async def test_draining_fails_readiness_and_finishes_streams(
    checkpoint_of: Callable[[CheckpointSpec], Path],
) -> None:
    resume, health_port = asyncio.Event(), free_port()
    flag = f"--health-port={health_port}"
    async with (
        service_process("codec", checkpoint_of(TINY), "--threads=1", flag) as service,
        grpc.aio.insecure_channel(service.address) as channel,
        grpc.aio.insecure_channel(f"127.0.0.1:{health_port}") as health_channel,
    ):
        replica = Replica(Endpoint(service.address), Dialer(), "")
        replica.listen()
        watch = health_pb2_grpc.HealthStub(channel).Watch(
            health_pb2.HealthCheckRequest(service=CODEC.full_name)
        )
        call = aiter(codec_pb2_grpc.CodecServiceStub(channel).Decode(two_inputs(resume)))
        first = await anext(call)
        status = await health(health_channel, CODEC.full_name)
        assert (await watch.read()).status == status == SERVING
        service.process.terminate()
        assert (await watch.read()).status == NOT_SERVING
        assert await health(health_channel, CODEC.full_name) == NOT_SERVING
        assert await health(health_channel, "") == await health(channel, "") == SERVING
        await until(lambda: replica.draining)
        # Nothing is written: grpc.aio hides the status of a call that is being written to.
        refused = codec_pb2_grpc.CodecServiceStub(channel).Decode()
        with pytest.raises(grpc.aio.AioRpcError, match="shutting down") as caught:
            await refused.read()
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
        resume.set()
        assert sample_count([first, *[response async for response in call]]) == 80 * HOP
        assert await service.process.wait() == 0
        await replica.close()


async def test_old_connection_keeps_its_streams(
    checkpoint_of: Callable[[CheckpointSpec], Path],
) -> None:
    """A connection above its maximum age gets no new streams, and finishes those that it has."""
    resume, ready = asyncio.Event(), grpc.ChannelConnectivity.READY
    flags = ("--threads=1", "--max-connection-age-seconds=2")
    async with (
        service_process("codec", checkpoint_of(TINY), *flags) as service,
        grpc.aio.insecure_channel(service.address) as channel,
    ):
        stub = codec_pb2_grpc.CodecServiceStub(channel)
        old = aiter(stub.Decode(two_inputs(resume)))
        first_of_old = await anext(old)
        while channel.get_state() is ready:
            await channel.wait_for_state_change(ready)
        new = aiter(stub.Decode(two_inputs(resume)))
        first_of_new = await anext(new)
        resume.set()
        assert sample_count([first_of_old, *[response async for response in old]]) == 80 * HOP
        assert sample_count([first_of_new, *[response async for response in new]]) == 80 * HOP
