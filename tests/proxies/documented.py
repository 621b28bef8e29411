"""Runs a proxy with the configuration that docs/operations.md gives for it."""

import asyncio
import os
import shutil
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.certificates import Files
from tests.support.snippets import snippets

_NGINX = """
daemon off;
master_process off;
pid nginx.pid;
error_log stderr;
events {{}}
http {{
    access_log off;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
{servers}
}}
"""


@dataclass(frozen=True)
class RunningProxy:
    """A proxy in front of an orchestrator and a gateway, with TLS.

    Attributes:
        grpc: host:port for gRPC.
        http: host:port for HTTP and WebSocket.
    """

    grpc: str
    http: str


@asynccontextmanager
async def running_proxy(
    name: str,
    orchestrator: str,
    gateway: str,
    files: Files,
    folder: Path,
    changes: Mapping[str, str],
) -> AsyncIterator[RunningProxy]:
    """Run a proxy; skip the test if the program is missing.

    Args:
        name: nginx or haproxy.
        orchestrator: host:port.
        gateway: host:port.
        files: its certificate.
        folder: for its files.
        changes: texts in the documented configuration, and what replaces them.
    """
    program = _program(name)
    ports = _free_port(), _free_port()
    addresses = {"127.0.0.1:50051": orchestrator, "127.0.0.1:8080": gateway}
    config = _write_config(name, files, folder, ports, {**addresses, **changes})
    words = ["-p", str(folder), "-e", "stderr", "-c"] if name == "nginx" else ["-db", "-f"]
    process = await asyncio.create_subprocess_exec(
        program, *words, str(config), env=_environment(program)
    )
    try:
        for port in ports:
            await _wait_until_listening(port, process)
        yield RunningProxy(*(f"localhost:{port}" for port in ports))
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


def documented(name: str) -> str:
    """The configuration of a proxy in the docs."""
    (found,) = (
        snippet.text
        for snippet in snippets()
        if snippet.page == "docs/operations.md" and snippet.language == name
    )
    return found


def replaced(text: str, changes: Mapping[str, str]) -> str:
    """Replace parts of a text, each of which must be there."""
    for before, after in changes.items():
        assert before in text, f"{before!r} is not in the documented configuration"
        text = text.replace(before, after)
    return text


def _write_config(
    name: str, files: Files, folder: Path, ports: tuple[int, int], changes: Mapping[str, str]
) -> Path:
    """Write the documented configuration with what every user of it must change too."""
    pem = folder / "both.pem"
    pem.write_text(Path(files.certificate).read_text() + Path(files.key).read_text())
    own = {
        "nginx": {
            "listen 50443 ": f"listen 127.0.0.1:{ports[0]} ",
            "listen 443 ": f"listen 127.0.0.1:{ports[1]} ",
            "/etc/nginx/bark.pem": files.certificate,
            "/etc/nginx/bark.key": files.key,
        },
        "haproxy": {
            "bind :50443 ": f"bind 127.0.0.1:{ports[0]} ",
            "bind :443 ": f"bind 127.0.0.1:{ports[1]} ",
            "/etc/haproxy/bark.pem": str(pem),
        },
    }
    config = replaced(documented(name), {**own[name], **changes})
    path = folder / f"{name}.conf"
    path.write_text(_NGINX.format(servers=config) if name == "nginx" else config)
    return path


def _program(name: str) -> str:
    """The path of an installed or fetched program."""
    fetched = Path(os.environ["PROXIES"]).resolve() / "usr/sbin" / name
    found = str(fetched) if fetched.exists() else shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is neither installed nor in {os.environ['PROXIES']}")
    return found


def _environment(program: str) -> dict[str, str]:
    """The environment with the libraries that were fetched next to the program."""
    libraries = Path(program).parents[1].glob("lib/*-linux-gnu")
    return {**os.environ, "LD_LIBRARY_PATH": ":".join(map(str, libraries))}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def _wait_until_listening(port: int, process: asyncio.subprocess.Process) -> None:
    while True:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            assert process.returncode is None, "the proxy ended: see its message above"
            await asyncio.sleep(0.05)
        else:
            writer.close()
            return
