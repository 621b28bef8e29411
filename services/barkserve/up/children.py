"""Starts, watches and stops the child processes of `barkserve up`."""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

from barkserve.errors import StartupError
from barkserve.up.plan import PlannedService

_KILL_AFTER_S = 5.0
"""Time after the drain that a service has to end before it is killed."""


@dataclass
class Child:
    """A running service.

    Attributes:
        service: what was started.
        process: its process.
        error: reads its standard output, where it prints why it cannot serve.
    """

    service: PlannedService
    process: asyncio.subprocess.Process
    error: asyncio.Task[bytes]


@asynccontextmanager
async def running(planned: Sequence[PlannedService], drain_s: float) -> AsyncIterator[list[Child]]:
    """Run the services for the duration of the block.

    A child also stops when its standard input closes, so that none outlives this process.

    Args:
        planned: the services.
        drain_s: seconds that running streams have to finish at the end.
    """
    children: list[Child] = []
    try:
        for service in planned:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "barkserve", *service.arguments,
                stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
                start_new_session=True,  # Ctrl-C reaches only this process, which stops the others
            )  # fmt: skip
            assert process.stdout is not None
            children.append(Child(service, process, asyncio.create_task(process.stdout.read())))
        yield children
    finally:
        await _stop(children, drain_s)


async def first_exit(children: Sequence[Child]) -> Child:
    """Wait until any child ends."""
    waits = {asyncio.create_task(child.process.wait()): child for child in children}
    done, pending = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    for task in pending:
        task.cancel()
    return waits[done.pop()]


async def raise_exit(exited: "asyncio.Task[Child]") -> None:
    """Raise if a child has ended.

    Args:
        exited: the task of `first_exit`.

    Raises:
        StartupError: a child has ended; the message names it and says why.
    """
    if exited.done():
        child = exited.result()
        error = (await child.error).decode().strip()
        reason = _exit_reason(child.process.returncode or 0, error)
        raise StartupError(f"the {child.service.name} service {reason}; the others were stopped")


def _exit_reason(code: int, error: str) -> str:
    if code >= 0:
        return f"ended with exit code {code}" + (f": {error}" if error else "; see its log above")
    name = signal.Signals(-code).name
    return f"was killed by {name}{', probably out of memory' if name == 'SIGKILL' else ''}"


async def _stop(children: Sequence[Child], drain_s: float) -> None:
    """Stop the orchestrator before the stages: the streams that it drains still need them."""
    stages = [child for child in children if child.service.entry.is_stage]
    await _stop_together([child for child in children if child not in stages], drain_s)
    await _stop_together(stages, drain_s)


async def _stop_together(children: Sequence[Child], drain_s: float) -> None:
    """Send SIGTERM to all children, and SIGKILL to those that do not end in time."""
    for child in children:
        with suppress(ProcessLookupError):
            child.process.terminate()
    waits = [asyncio.create_task(child.process.wait()) for child in children]
    if waits:
        await asyncio.wait(waits, timeout=drain_s + _KILL_AFTER_S)
    for child in children:
        if child.process.returncode is None:
            with suppress(ProcessLookupError):
                child.process.kill()
            await child.process.wait()
