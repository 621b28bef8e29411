"""How a service parts from its clients while it speaks, told to stop by a signal or at a
connection's age: real processes.
"""

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
from barkserve.serving.channel import Dialer
from barkserve.v1 import codec_pb2, codec_pb2_grpc
from fixtures.checkpoints import TINY, CheckpointSpec
from fixtures.processes import free_port, service_process
from tests.support.fakes import until

HOP = math.prod(TINY.upsampling_ratios)
NAME = "barkserve.v1.CodecService"
SERVING, NOT_SERVING = 1, 2


async def health(channel: grpc.aio.Channel, service: str) -> int:
    request = health_pb2.HealthCheckRequest(service=service)
    answer = await health_pb2_grpc.HealthStub(channel).Check(request)
    return int(answer.status)


async def two_inputs(go_on: asyncio.Event) -> AsyncIterator[Any]:
    """40 frames, and when told to go on 40 more."""
    yield codec_pb2.DecodeRequest(config=codec_pb2.CodecConfig())
    for _ in range(2):
        codes = [1] * TINY.n_fine_codebooks * 40
        yield codec_pb2.DecodeRequest(frames=codec_pb2.FineInput(codes=codes))
        await go_on.wait()


def samples_of(responses: list[Any]) -> int:
    """How many samples a finished stream gave."""
    assert responses[-1].WhichOneof("response") == "finished"
    return sum(len(response.samples.pcm) // 4 for response in responses)


async def test_a_drain_says_so_first_and_lets_streams_end(
    checkpoint_of: Callable[[CheckpointSpec], Path],
) -> None:
    ended, health_port = asyncio.Event(), free_port()
    flag = f"--health-port={health_port}"
    async with (
        service_process("codec", checkpoint_of(TINY), "--threads=1", flag) as service,
        grpc.aio.insecure_channel(service.address) as channel,
        grpc.aio.insecure_channel(f"127.0.0.1:{health_port}") as health_channel,
    ):
        replica = Replica(Endpoint(service.address), Dialer(), "")
        replica.listen()
        watch = health_pb2_grpc.HealthStub(channel).Watch(
            health_pb2.HealthCheckRequest(service=NAME)
        )
        call = aiter(codec_pb2_grpc.CodecServiceStub(channel).Decode(two_inputs(ended)))
        first = await anext(call)
        assert (await watch.read()).status == await health(health_channel, NAME) == SERVING
        service.process.terminate()
        assert (await watch.read()).status == await health(health_channel, NAME) == NOT_SERVING
        assert await health(health_channel, "") == await health(channel, "") == SERVING
        await until(lambda: replica.draining)
        # Nothing is written before the answer: gRPC hides how a call ended that is written to.
        refused = codec_pb2_grpc.CodecServiceStub(channel).Decode()
        with pytest.raises(grpc.aio.AioRpcError, match="shutting down") as caught:
            await refused.read()
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
        ended.set()
        assert samples_of([first, *[response async for response in call]]) == 80 * HOP
        assert await service.process.wait() == 0
        await replica.close()


async def test_an_old_connection_gets_no_new_stream_and_keeps_those_it_has(
    checkpoint_of: Callable[[CheckpointSpec], Path],
) -> None:
    go_on, ready = asyncio.Event(), grpc.ChannelConnectivity.READY
    flags = ("--threads=1", "--max-connection-age-seconds=2")
    async with (
        service_process("codec", checkpoint_of(TINY), *flags) as service,
        grpc.aio.insecure_channel(service.address) as channel,
    ):
        stub = codec_pb2_grpc.CodecServiceStub(channel)
        old = aiter(stub.Decode(two_inputs(go_on)))
        first = await anext(old)  # over a connection that was made for it
        while channel.get_state() is ready:
            await channel.wait_for_state_change(ready)
        new = aiter(stub.Decode(two_inputs(go_on)))
        begun = await anext(new)
        go_on.set()
        assert samples_of([first, *[response async for response in old]]) == 80 * HOP
        assert samples_of([begun, *[response async for response in new]]) == 80 * HOP
