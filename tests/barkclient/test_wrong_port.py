"""A client that calls a port with another protocol is told so."""

import asyncio
import os
import sys
from pathlib import Path

import grpc
import pytest

from barkclient import AsyncClient, ServerUnavailable, Tls
from tests.support.certificates import Authority, Files
from tests.support.gateway import running_gateway

NO_ORCHESTRATOR = "127.0.0.1:1"


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Authority(tmp_path).issue()


def credentials(files: Files) -> grpc.ServerCredentials:
    pair = Path(files.key).read_bytes(), Path(files.certificate).read_bytes()
    return grpc.ssl_server_credentials([pair])


async def failure_of(port: str, tls: Tls | None = None) -> str:
    async with AsyncClient(f"localhost:{port}", tls=tls, timeout=60) as client:
        with pytest.raises(ServerUnavailable) as failed:
            await client.server_info()
    return str(failed.value)


@pytest.mark.parametrize("over_tls", [False, True])
async def test_error_says_that_the_port_speaks_http(files: Files, over_tls: bool) -> None:
    options = {"tls_cert": files.certificate, "tls_key": files.key} if over_tls else {}
    tls = Tls(ca=files.ca) if over_tls else None
    async with running_gateway(NO_ORCHESTRATOR, **options) as gateway:
        port = gateway.url.rpartition(":")[2]
        assert await failure_of(port, tls) == (
            f"localhost:{port} speaks HTTP, not gRPC: give the server's gRPC port, 50051 unless "
            "--port changed it"
        )


async def test_error_says_that_the_port_speaks_no_grpc() -> None:
    async with running_gateway(NO_ORCHESTRATOR) as gateway:
        port = gateway.wyoming_url.rpartition(":")[2]
        assert f"localhost:{port} does not speak gRPC" in await failure_of(port)


async def test_error_says_that_the_server_uses_no_tls(files: Files) -> None:
    server = grpc.aio.server()
    port = server.add_insecure_port("localhost:0")
    await server.start()
    assert "does not use TLS: leave out --tls" in await failure_of(str(port), Tls(ca=files.ca))
    await server.stop(None)


async def test_command_prints_one_line_if_the_server_uses_no_tls() -> None:
    """A failed handshake is logged by gRPC itself, on standard error."""
    server = grpc.aio.server()
    port = server.add_insecure_port("localhost:0")
    await server.start()
    program = "from barkclient_command import main; main()"
    arguments = ("say", "Hi", "--server", f"localhost:{port}", "--tls", "-q", "-o", os.devnull)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, *arguments, stderr=asyncio.subprocess.PIPE
    )
    _, printed = await process.communicate()
    assert process.returncode == 3
    assert printed.decode().splitlines() == [
        f"barkclient: localhost:{port} does not use TLS: leave out --tls and --tls-ca "
        "(in Python, tls=)"
    ]
    await server.stop(None)


async def test_error_says_that_the_server_may_use_tls(files: Files) -> None:
    server = grpc.aio.server()
    port = server.add_secure_port("localhost:0", credentials(files))
    await server.start()
    assert "if the server uses TLS, give --tls or --tls-ca" in await failure_of(str(port))
    await server.stop(None)
