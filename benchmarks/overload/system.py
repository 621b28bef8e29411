"""All services as processes on this machine, with models that only sleep."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from barkserve.constants import STAGES
from benchmarks.scaling.cluster import healthy
from benchmarks.scaling.slow_model import write_checkpoint
from fixtures.processes import free_port

CAPACITY = 2
"""Streams that the slowest of these stages serves in real time."""


@dataclass(frozen=True)
class SlowSystem:
    """A running system.

    Attributes:
        address: host:port of the orchestrator.
        pid: its process id.
    """

    address: str
    pid: int

    @property
    def resident_mib(self) -> float:
        """The orchestrator's resident memory in MiB (Linux)."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0]) / 1024


@asynccontextmanager
async def slow_system(folder: Path, *flags: str) -> AsyncIterator[SlowSystem]:
    """Run one replica of each stage, and an orchestrator.

    Args:
        folder: an empty folder for the checkpoint.
        flags: further options of the orchestrator.
    """
    checkpoint = folder / "slow"
    write_checkpoint(checkpoint)
    async with AsyncExitStack() as stack:
        ports = {stage: free_port() for stage in (*STAGES, "orchestrator")}
        for stage in STAGES:
            await _start(
                stack, ports[stage], "benchmarks.scaling.stage", stage, f"--checkpoint={checkpoint}"
            )
        address = f"127.0.0.1:{ports['orchestrator']}"
        process = await _start(
            stack,
            ports["orchestrator"],
            "barkserve",
            "orchestrator",
            f"--checkpoint={checkpoint}",
            "--metrics-port=0",
            "--log-level=error",
            *(f"--{stage}=127.0.0.1:{ports[stage]}" for stage in STAGES),
            *flags,
        )
        yield SlowSystem(address, process.pid)


async def _start(
    stack: AsyncExitStack, port: int, module: str, *words: str
) -> asyncio.subprocess.Process:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", module, *words, f"--port={port}", stdin=asyncio.subprocess.PIPE
    )
    stack.push_async_callback(process.wait)
    stack.callback(process.kill)
    await healthy(f"127.0.0.1:{port}", process)
    return process
