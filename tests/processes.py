"""Services as real processes, for what only a process can show: signals, exits, kills."""

import asyncio
import re
import socket
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

LISTENS = re.compile(rb" listens on (\S+:\d+)\n")


@dataclass
class ServiceProcess:
    """`barkserve NAME`, healthy when it is handed out."""

    process: asyncio.subprocess.Process
    address: str


@asynccontextmanager
async def service_process(
    name: str, folder: Path, *flags: str, launch: Sequence[str] = ("-m", "barkserve")
) -> AsyncIterator[ServiceProcess]:
    """One service on a port of its own choice, killed in the end if it still runs."""
    words = (name, f"--checkpoint={folder}", "--port=0", "--metrics-port=0", *flags)
    process = await asyncio.create_subprocess_exec(
        sys.executable, *launch, *words, stderr=asyncio.subprocess.PIPE
    )
    address: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    log = asyncio.create_task(_follow(process, address))
    try:
        yield ServiceProcess(process, await address)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
        await log


async def _follow(process: asyncio.subprocess.Process, address: "asyncio.Future[str]") -> None:
    """Shows what it logs, and finds in it where it listens."""
    assert process.stderr is not None
    async for line in process.stderr:
        sys.stderr.write(line.decode())
        if (found := LISTENS.search(line)) and not address.done():
            address.set_result(found[1].decode())
    if not address.done():
        address.set_exception(AssertionError(f"it ended with {await process.wait()} before that"))


def free_port() -> int:
    """A port that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
