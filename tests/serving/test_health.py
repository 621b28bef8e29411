"""Health checks on the plaintext port, and watches."""

import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from barkserve.config.stages import CoarseOptions
from barkserve.serving import health
from barkserve.serving.auth.access_control import AccessControl
from barkserve.serving.health import HealthServicer
from barkserve.serving.interceptors import RpcInterceptor
from barkserve.serving.metrics import Metrics
from barkserve.serving.publishing import health_server
from tests.support.fakes import until

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
UNKNOWN = health_pb2.HealthCheckResponse.SERVICE_UNKNOWN
GARBAGE = b"\xff\xff\xff\xff not a message"


class HealthPort:
    """A service's --health-port."""

    def __init__(self, channel: grpc.aio.Channel, servicer: HealthServicer) -> None:
        self.channel = channel
        self.servicer = servicer
        self.metrics = Metrics("coarse")
        self.stub = health_pb2_grpc.HealthStub(channel)

    def watch(self, service: str) -> AsyncIterator[int]:
        async def statuses() -> AsyncIterator[int]:
            async for response in self.stub.Watch(health_pb2.HealthCheckRequest(service=service)):
                yield response.status

        return statuses()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@asynccontextmanager
async def running_port() -> AsyncIterator[HealthPort]:
    options = CoarseOptions(health_port=free_port())
    address = f"127.0.0.1:{options.health_port}"
    async with grpc.aio.insecure_channel(address) as channel:
        port = HealthPort(channel, HealthServicer())
        interceptor = RpcInterceptor(port.metrics, AccessControl())
        async with health_server(options, interceptor) as start:
            await port.servicer.set("coarse", SERVING)
            await start(port.servicer)
            yield port


@pytest.fixture
async def port() -> AsyncIterator[HealthPort]:
    async with running_port() as opened:
        yield opened


def requests() -> Iterator[tuple[bytes, str]]:
    yield GARBAGE, "not a valid protobuf message"
    long = health_pb2.HealthCheckRequest(service="x" * 5000)
    yield long.SerializeToString(), "the limit of this service is 4096"


async def test_health_port_refuses_malformed_messages(
    port: HealthPort, caplog: pytest.LogCaptureFixture
) -> None:
    for request, reason in requests():
        calls = (
            port.channel.unary_unary("/grpc.health.v1.Health/Check")(request),
            port.channel.unary_stream("/grpc.health.v1.Health/Watch")(request).read(),
        )
        for call in calls:
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await call
            assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
            assert reason in (caught.value.details() or "")
    labels = {"stage": "coarse", "outcome": "INVALID_ARGUMENT"}
    assert port.metrics.registry.get_sample_value("barkserve_requests_total", labels) == 4
    assert "Traceback" not in caplog.text


async def test_watch_reports_every_change_to_all_watchers(port: HealthPort) -> None:
    watches = [port.watch("coarse") for _ in range(2)]
    assert [await anext(watch) for watch in watches] == [SERVING, SERVING]
    await port.servicer.set("coarse", SERVING)  # no change
    for status in (NOT_SERVING, SERVING):
        await port.servicer.set("coarse", status)
        assert [await anext(watch) for watch in watches] == [status, status]


async def test_unknown_services_cost_no_memory(port: HealthPort) -> None:
    for number in range(20):
        assert await anext(port.watch(f"unknown-{number}")) == UNKNOWN
    assert port.servicer._statuses == {"coarse": SERVING}
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await port.stub.Check(health_pb2.HealthCheckRequest(service="unknown"))
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND


async def test_watches_are_limited(port: HealthPort, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "MAX_WATCHES", 2)
    watches = [port.stub.Watch(health_pb2.HealthCheckRequest()) for _ in range(2)]
    for watch in watches:
        assert (await watch.read()).status == UNKNOWN
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await port.stub.Watch(health_pb2.HealthCheckRequest()).read()
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    watches[0].cancel()
    await until(lambda: port.servicer._watches == 1)
    assert (await port.stub.Watch(health_pb2.HealthCheckRequest()).read()).status == UNKNOWN
