"""The name of a caller on a server without authentication, seen by every service but health."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import grpc
import pytest

from barkserve.serving.auth.access_control import AccessControl
from barkserve.serving.caller import ALL_ROLES, Caller, current_caller, peer_address
from barkserve.serving.channel import Dialer
from barkserve.serving.interceptors import RpcInterceptor
from barkserve.serving.metrics import Metrics
from barkserve.serving.ports import bind
from barkserve.serving.rpc_context import RpcContext
from barkserve.serving.tls import TlsFiles
from tests.support.certificates import Authority

SERVICES = ["barkserve.v1.SpeechService", "grpc.reflection.v1alpha.ServerReflection", "any.Other"]


def echo_caller(service: str) -> grpc.GenericRpcHandler:
    """A service that answers with the caller's name, once from a unary and once from a stream."""

    async def unary(request: bytes, context: RpcContext) -> bytes:
        return repr(current_caller()).encode()

    async def stream(request: bytes, context: RpcContext) -> AsyncGenerator[bytes, None]:
        yield repr(current_caller()).encode()

    def plain(data: bytes) -> bytes:
        return data

    return grpc.method_handlers_generic_handler(
        service,
        {
            "Unary": grpc.unary_unary_rpc_method_handler(unary, plain, plain),
            "Stream": grpc.unary_stream_rpc_method_handler(stream, plain, plain),
        },
    )


@pytest.fixture
async def serve() -> AsyncGenerator[Callable[[TlsFiles | None], Awaitable[str]], None]:
    """Starts a server with all SERVICES; returns its address."""
    servers = []

    async def start(tls: TlsFiles | None = None) -> str:
        server = grpc.aio.server(interceptors=[RpcInterceptor(Metrics("test"), AccessControl())])
        server.add_generic_rpc_handlers(tuple(map(echo_caller, SERVICES)))
        port = bind(server, "127.0.0.1", 0, tls.server_credentials(True) if tls else None)
        await server.start()
        servers.append(server)
        return f"localhost:{port}" if tls else f"127.0.0.1:{port}"

    yield start
    for server in servers:
        await server.stop(grace=None)


async def callers(channel: AbstractAsyncContextManager[grpc.aio.Channel]) -> set[str]:
    """The callers that all methods of all services see."""
    async with channel as opened:
        seen = set()
        for service in SERVICES:
            seen.add(await opened.unary_unary(f"/{service}/Unary")(b""))
            seen |= {answer async for answer in opened.unary_stream(f"/{service}/Stream")(b"")}
    return {answer.decode() for answer in seen}


async def test_caller_is_the_address_without_a_certificate(
    serve: Callable[[TlsFiles | None], Awaitable[str]],
) -> None:
    expected = repr(Caller("127.0.0.1", ALL_ROLES))
    assert await callers(Dialer().open(await serve(None))) == {expected}


async def test_caller_is_the_name_in_its_certificate(
    serve: Callable[[TlsFiles | None], Awaitable[str]], tmp_path: Path
) -> None:
    authority = Authority(tmp_path)
    server, client = (authority.issue(name, f"{name}.svc") for name in ("server", "client"))
    address = await serve(TlsFiles(server.certificate, server.key, server.ca))
    dialer = Dialer(TlsFiles(client.certificate, client.key, client.ca))
    (seen,) = await callers(dialer.open(address))
    assert seen == repr(Caller("client.svc", ALL_ROLES))


@pytest.mark.parametrize(
    ("peer", "address"),
    [
        ("ipv4:10.0.0.7:50123", "10.0.0.7"),
        ("ipv6:[::1]:50123", "::1"),
        ("ipv6:%5Bfd00::7%5D:50123", "fd00::7"),
        ("unix:", "unix"),
        ("unix:/run/speech.sock", "unix"),
    ],
)
def test_peer_address_has_no_port(peer: str, address: str) -> None:
    class Context:
        def peer(self) -> str:
            return peer

    assert peer_address(Context()) == address  # type: ignore[arg-type]
