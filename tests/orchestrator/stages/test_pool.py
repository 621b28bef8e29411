"""Streams continue while replicas start, drain and stop and the Kubernetes API server restarts."""

import asyncio
import math
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest

from barkserve.codec.generator import CodecGenerator
from barkserve.discovery.endpoint import Endpoint, Endpoints
from barkserve.discovery.endpoint_slices import EndpointSliceResolver
from barkserve.discovery.replica import Replica
from barkserve.errors import ModelExecutionFailed, StageUnavailable
from barkserve.orchestrator.stages.call import StageCall
from barkserve.orchestrator.stages.outage import Outage
from barkserve.orchestrator.stages.pool import StagePool
from barkserve.orchestrator.stages.recovery import MAX_FAILURES
from barkserve.orchestrator.stages.retry import RetryPolicy
from barkserve.serving.channel import Dialer
from barkserve.serving.load import Load
from barkserve.v1 import codec_pb2, codec_pb2_grpc
from fixtures.checkpoints import TINY, CheckpointSpec
from fixtures.kubernetes_api import ApiServer, endpoint, running_api_server
from fixtures.processes import free_port
from tests.support.fakes import until
from tests.support.services import RunningService, running

HOP = math.prod(TINY.upsampling_ratios)


class ScriptedResolver:
    """A resolver whose endpoints the test sets."""

    server_name = ""

    def __init__(self, *addresses: str) -> None:
        self._updates: asyncio.Queue[Endpoints] = asyncio.Queue()
        self.publish(*map(Endpoint, addresses))

    def publish(self, *endpoints: Endpoint) -> None:
        self._updates.put_nowait(endpoints)

    async def watch(self) -> AsyncGenerator[Endpoints, None]:
        while True:
            yield await self._updates.get()


@asynccontextmanager
async def pool_of(resolver: Any, wait_s: float = 0.0) -> AsyncIterator[StagePool]:
    pool = StagePool("codec", resolver, Dialer(), wait_s)
    pool.start()
    try:
        yield pool
    finally:
        await pool.close()


class Stream:
    """A codec stream that the test feeds, on a replica that the pool picks."""

    def __init__(self, pool: StagePool, lead_s: float = 0.0) -> None:
        self._feed: asyncio.Queue[int] = asyncio.Queue()
        self.samples = 0
        policy = RetryPolicy(None, lambda: 0.0, lambda: lead_s)
        self._call = StageCall(pool, self._method, self._requests, policy)
        self.done = asyncio.create_task(self._run())

    def frames(self, count: int) -> None:
        """Feed this many frames; 0 ends the stream."""
        self._feed.put_nowait(count)

    def _method(self, channel: grpc.aio.Channel) -> Any:
        return codec_pb2_grpc.CodecServiceStub(channel).Decode

    async def _requests(self) -> AsyncIterator[codec_pb2.DecodeRequest]:
        yield codec_pb2.DecodeRequest(config=codec_pb2.CodecConfig())
        while count := await self._feed.get():
            codes = [1] * TINY.n_fine_codebooks * count
            yield codec_pb2.DecodeRequest(frames=codec_pb2.FineInput(codes=codes))

    async def _run(self) -> None:
        async for response in self._call.responses():
            self.samples += len(response.samples.pcm) // 4


def streams(service: RunningService) -> float:
    return service.metric("barkserve_streams", stage="codec")


@pytest.fixture
async def codecs(
    checkpoint_of: Callable[[CheckpointSpec], Path],
) -> AsyncIterator[list[RunningService]]:
    """Two codec replicas."""
    folder = checkpoint_of(TINY)
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(running("codec", folder)) for _ in range(2)]


async def test_pool_gives_no_new_streams_to_draining_replica(
    codecs: list[RunningService],
) -> None:
    first, second = codecs
    resolver = ScriptedResolver(first.address)
    async with pool_of(resolver) as pool:
        running_stream = Stream(pool)
        running_stream.frames(40)
        await until(lambda: running_stream.samples > 0)
        resolver.publish(Endpoint(first.address, draining=True), Endpoint(second.address))
        await until(lambda: len(pool.replicas) == 2)
        later = [Stream(pool) for _ in range(4)]
        for stream in later:
            stream.frames(40)
        await until(lambda: all(stream.samples > 0 for stream in later))
        assert (streams(first), streams(second)) == (1, 4)
        resolver.publish(Endpoint(second.address))  # removed from the list; its stream continues
        await until(lambda: len(pool.replicas) == 1)
        for stream in (running_stream, *later):
            stream.frames(40)
            stream.frames(0)
            await stream.done
        assert {stream.samples for stream in (running_stream, *later)} == {80 * HOP}


async def test_pool_balances_new_streams(
    codecs: list[RunningService],
) -> None:
    async with pool_of(ScriptedResolver(*(codec.address for codec in codecs))) as pool:
        await until(lambda: len(pool.replicas) == 2 and not any(r.silent for r in pool.replicas))
        held = []
        for _ in range(8):
            held.append(Stream(pool))
            held[-1].frames(40)
            await until(lambda: held[-1].samples > 0)
        assert [streams(codec) for codec in codecs] == [4, 4]
        for stream in held:
            stream.frames(0)
            await stream.done


async def test_pool_waits_for_a_stage_scaled_to_zero(
    codecs: list[RunningService],
) -> None:
    resolver = ScriptedResolver()
    async with pool_of(resolver, wait_s=20) as pool:
        stream = Stream(pool)
        stream.frames(40)
        stream.frames(0)
        await asyncio.sleep(0.1)
        assert not stream.done.done()
        resolver.publish(Endpoint(codecs[0].address))
        await stream.done
        assert stream.samples == 40 * HOP


async def test_pick_names_the_stage_without_replicas() -> None:
    async with pool_of(ScriptedResolver()) as pool:
        with pytest.raises(StageUnavailable, match=r"codec .* \(none was found\)"):
            await pool.pick((), Outage(pool.wait_s, lambda: 0.0))


async def test_pick_names_unreachable_addresses_and_the_option() -> None:
    address = f"127.0.0.1:{free_port()}"
    async with pool_of(ScriptedResolver(address), wait_s=0.5) as pool:
        await until(lambda: any(each.unreachable for each in pool.replicas))
        with pytest.raises(StageUnavailable) as caught:
            await pool.pick((), Outage(pool.wait_s, lambda: 0.0))
    assert str(caught.value) == (
        f"the codec stage has no usable replica (tried {address}), also after a wait of 0.5 s. "
        "Check that it runs and is healthy, or raise --replica-wait-seconds"
    )


async def test_pool_logs_at_once_that_streams_wait(caplog: pytest.LogCaptureFixture) -> None:
    address = f"127.0.0.1:{free_port()}"
    async with pool_of(ScriptedResolver(address), wait_s=60) as pool:
        stream = Stream(pool)
        await until(lambda: "streams wait for the codec stage" in caplog.text)
        assert not stream.done.done()
        stream.done.cancel()
    [message] = [each for each in caplog.messages if "streams wait" in each]
    assert f"tried {address}): failed to connect" in message


async def test_stream_waits_while_the_listener_has_audio(codecs: list[RunningService]) -> None:
    """The limit of the stage is shorter than the time until a replica is found."""
    resolver = ScriptedResolver()
    async with pool_of(resolver, wait_s=0.0) as pool:
        patient, impatient = Stream(pool, lead_s=1.0), Stream(pool)
        patient.frames(40)
        patient.frames(0)
        with pytest.raises(StageUnavailable):
            await impatient.done
        resolver.publish(Endpoint(codecs[0].address))
        await patient.done
        assert patient.samples == 40 * HOP


async def test_stream_fails_after_three_replicas_in_a_row(
    codecs: list[RunningService], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The stage admits the stream and fails before it answers."""
    calls = 0

    async def failing(*_: Any) -> AsyncIterator[Any]:
        nonlocal calls
        calls += 1
        raise ModelExecutionFailed
        yield

    monkeypatch.setattr(CodecGenerator, "generate", failing)
    async with pool_of(ScriptedResolver(codecs[0].address), wait_s=60) as pool:
        stream = Stream(pool)
        stream.frames(40)
        with pytest.raises(ModelExecutionFailed):
            await stream.done
    assert calls == MAX_FAILURES


def test_failed_doubles_the_avoidance_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.monotonic", lambda: 100.0)
    pool = StagePool("codec", ScriptedResolver(), Dialer())
    replica = Replica(Endpoint("a:1"), Dialer(), "")
    pauses = []
    for _ in range(7):
        pool.failed(replica)
        pauses.append(replica.avoided_until - 100.0)
    assert pauses == [1, 2, 4, 8, 16, 30, 30]
    pool.answered(replica)
    assert (replica.failures, replica.avoided_until) == (0, 0)


NOW = 100.0
ROOMY = Load(capacity=64, slots=16, slots_free=16)


async def moved_streams(streams_of_hung: int, *others: Replica) -> int:
    """How many streams of a hung replica a pool moves in two checks."""
    hung = Replica(Endpoint("hung:1"), Dialer(), "")
    hung.load, hung.stale = ROOMY, True
    pool = StagePool("codec", ScriptedResolver(), Dialer())
    pool._set._replicas = {each.address: each for each in (hung, *others)}
    moved = 0

    def move() -> None:
        nonlocal moved
        moved += 1
        others[0].unreported_streams += 1  # the stream starts there

    with ExitStack() as stack:
        for _ in range(streams_of_hung):
            stack.enter_context(pool.stream(hung, lambda: move()))
        for other in others:
            stack.enter_context(pool.stream(other, lambda: pytest.fail("moved from a live one")))
            other.unreported_streams = 0
        pool.move_streams(NOW)
        pool.move_streams(NOW)
    await pool.close()
    return moved


def other_replica(load: Load | None = ROOMY, address: str = "other:1") -> Replica:
    replica = Replica(Endpoint(address), Dialer(), "")
    replica.load = load
    return replica


async def test_pool_moves_each_stream_of_a_hung_replica_once() -> None:
    assert await moved_streams(3, other_replica()) == 3


async def test_pool_moves_streams_to_replica_without_load_reports() -> None:
    assert await moved_streams(3, other_replica(Load())) == 3


async def test_pool_moves_as_many_streams_as_have_room() -> None:
    nearly_full = Load(streams=62, capacity=64, slots=16, slots_free=0)
    assert await moved_streams(3, other_replica(nearly_full)) == 2


async def test_pool_moves_no_stream_of_a_single_replica() -> None:
    assert await moved_streams(3) == 0


async def test_pool_moves_no_stream_to_unsuitable_replicas() -> None:
    stale, failed = other_replica(address="a:1"), other_replica(address="b:1")
    stale.stale = True
    failed.avoided_until = NOW + 1
    draining = other_replica(Load(capacity=64, slots=16, slots_free=16, draining=1), "c:1")
    silent = other_replica(None, "d:1")
    full = other_replica(Load(streams=64, capacity=64, slots=16), "e:1")
    assert await moved_streams(3, stale, failed, draining, silent, full) == 0


@asynccontextmanager
async def stream_on_stale_replica(codecs: list[RunningService]) -> AsyncIterator[Any]:
    """A pool, its stream, and the stream's replica, which is stale until its next report."""
    async with pool_of(ScriptedResolver(*(codec.address for codec in codecs))) as pool:
        await until(lambda: len(pool.replicas) == 2 and not any(r.silent for r in pool.replicas))
        stream = Stream(pool)
        stream.frames(40)
        await until(lambda: stream.samples == 40 * HOP)
        [busy] = [codec.address for codec in codecs if streams(codec)]
        [replica] = [each for each in pool.replicas if each.address == busy]
        replica.stale = True
        yield pool, stream, replica


async def test_stream_continues_elsewhere_when_it_is_moved(codecs: list[RunningService]) -> None:
    async with stream_on_stale_replica(codecs) as (pool, stream, replica):
        expected = [1 - streams(codec) for codec in codecs]
        pool.move_streams(time.monotonic())
        await until(lambda: [streams(codec) for codec in codecs] == expected)
        assert replica.failures == 0
        stream.frames(40)
        stream.frames(0)
        await stream.done
        assert stream.samples == 80 * HOP


async def test_cancelled_stream_ends_although_it_is_moved(codecs: list[RunningService]) -> None:
    async with stream_on_stale_replica(codecs) as (pool, stream, _):
        pool.move_streams(time.monotonic())
        stream.done.cancel()
        with pytest.raises(asyncio.CancelledError):
            await stream.done
        await until(lambda: sum(map(streams, codecs)) == 0)


async def test_pool_follows_endpoint_slices_across_api_restart(
    codecs: list[RunningService],
) -> None:
    """EndpointSlices come from an API server, and streams go to real services."""
    ports = [int(codec.address.rpartition(":")[2]) for codec in codecs]

    async with running_api_server() as server, pool_of(slices(server)) as pool:
        server.put("old", ports[0], endpoint("127.0.0.1", ready=True))
        await until(lambda: len(pool.replicas) == 1)
        stream = Stream(pool)
        stream.frames(40)
        await until(lambda: stream.samples > 0)
        await server.stop()
        during = Stream(pool)  # with the last known state
        during.frames(40)
        during.frames(0)
        await during.done
        draining = endpoint("127.0.0.1", ready=False, serving=True, terminating=True)
        server.put("old", ports[0], draining)
        server.put("new", ports[1], endpoint("127.0.0.1", ready=True))
        await server.start()
        await until(lambda: [r.draining for r in pool.replicas] == [True, False])
        after = Stream(pool)
        after.frames(40)
        await until(lambda: after.samples > 0)
        assert (streams(codecs[0]), streams(codecs[1])) == (1, 1)
        server.delete("old")
        await until(lambda: len(pool.replicas) == 1)
        for each in (stream, after):
            each.frames(40)
            each.frames(0)
            await each.done
        assert (stream.samples, after.samples) == (80 * HOP, 80 * HOP)
        assert [codec.metric("barkserve_requests_total", stage="codec", outcome="OK")
                for codec in codecs] == [2, 1]  # fmt: skip


def slices(server: ApiServer) -> EndpointSliceResolver:
    async def connect() -> Any:
        from kubernetes.aio import client

        return client.ApiClient(client.Configuration(host=server.url))

    return EndpointSliceResolver("bark-codec", "speech", None, 50055, connect)
