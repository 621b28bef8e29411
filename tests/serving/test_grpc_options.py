"""The gRPC options that we set: known to the library, and effective."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc._cython import cygrpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from barkclient._internal.channel import channel_options as client_options
from barkclient.http_proxy import is_loopback
from barkserve.serving.grpc_options import SERVER_OPTIONS, channel_options
from barkserve.serving.ports import bind
from barkserve.serving.publishing import publish
from barkserve.serving.service import Service

ROOT = Path(__file__).parents[2]
OPTION = re.compile(r'"(grpc\.[a-z0-9_.]+)"')

ON_THIS_MACHINE = [
    "localhost:50051",
    "127.0.0.1:50051",
    "127.9.9.9:50051",
    "[::1]:50051",
    "0.0.0.0:50051",
    "unix:/run/bark.sock",
    "unix-abstract:bark",
]
ELSEWHERE = ["bark.example.com:443", "10.0.0.1:50051", "[2001:db8::1]:50051", "localhost.example:1"]


@pytest.mark.parametrize("folder", ["services/barkserve", "clients/python/barkclient"])
def test_grpc_library_knows_every_option(folder: str) -> None:
    """The library ignores options that it does not know."""
    known = Path(cygrpc.__file__).read_bytes()
    found = {
        option
        for path in (ROOT / folder).rglob("*.py")
        for option in OPTION.findall(path.read_text())
        if not option.startswith("grpc.health.")
    }
    assert "grpc.keepalive_time_ms" in found
    assert [option for option in sorted(found) if option.encode() not in known] == []


def test_loopback_addresses_are_recognized() -> None:
    assert [each for each in ON_THIS_MACHINE if not is_loopback(each)] == []
    assert [each for each in ELSEWHERE if is_loopback(each)] == []


def test_loopback_is_recognized_in_grpc_schemes() -> None:
    for target in (
        "dns:///localhost:50051",
        "dns:127.0.0.1:1",
        "ipv6:%5B::1%5D:1",
        "ipv4:127.0.0.1:1",
    ):
        assert is_loopback(target)
    for target in ("dns:///bark.example.com:443", "ipv4:10.0.0.1:1", "xds:///bark"):
        assert not is_loopback(target)


@pytest.mark.parametrize("options_of", [channel_options, client_options])
def test_loopback_channels_always_disable_the_proxy(options_of: Any) -> None:
    off = ("grpc.enable_http_proxy", 0)
    for address in ON_THIS_MACHINE:
        assert off in options_of(address, "environment")
    for address in ELSEWHERE:
        assert off in options_of(address, "off")
        assert off not in options_of(address, "environment")


@asynccontextmanager
async def serving() -> AsyncIterator[str]:
    """A server with our options and only health and load reports; yields its address."""
    server = grpc.aio.server(options=SERVER_OPTIONS)
    port = bind(server, "127.0.0.1", 0)
    await publish(server, Service("test.Nothing", lambda _: None))
    await server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        await server.stop(grace=None)


async def test_server_allows_pings_on_a_quiet_stream() -> None:
    """By default, gRPC closes the connection at the third ping: "Too many pings"."""
    options = (
        ("grpc.keepalive_time_ms", 1_000),
        ("grpc.keepalive_timeout_ms", 5_000),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.max_pings_without_data", 0),
        ("grpc.http2.min_time_between_pings_ms", 1_000),
        ("grpc.http2.min_ping_interval_without_data_ms", 1_000),
    )
    async with serving() as address, grpc.aio.insecure_channel(address, options=options) as channel:
        watch = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest())
        assert (await watch.read()).status == health_pb2.HealthCheckResponse.SERVING
        next_read = asyncio.ensure_future(watch.read())
        done, _ = await asyncio.wait([next_read], timeout=6.5)
        assert not done, "the server closed the connection of a client that pings every second"
        assert channel.get_state() is grpc.ChannelConnectivity.READY
        watch.cancel()
        await asyncio.gather(next_read, return_exceptions=True)
