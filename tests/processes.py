"""Services as real processes, for what only a process can show: signals, exits, kills."""

import asyncio
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from grpc_health.v1 import health_pb2, health_pb2_grpc

from barkserve.serving.channel import open_channel


@dataclass
class ServiceProcess:
    """`barkserve NAME`, healthy when it is handed out."""

    process: asyncio.subprocess.Process
    address: str


@asynccontextmanager
async def service_process(
    name: str, folder: Path, *flags: str, port: int = 0
) -> AsyncIterator[ServiceProcess]:
    """One service on a free port, killed in the end if it still runs."""
    port = port or free_port()
    words = (name, f"--checkpoint={folder}", f"--port={port}", "--metrics-port=0", *flags)
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "barkserve", *words)
    try:
        async with open_channel(f"127.0.0.1:{port}") as channel:
            await channel.channel_ready()
            await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest())
        yield ServiceProcess(process, f"127.0.0.1:{port}")
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


def free_port() -> int:
    """A port that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
