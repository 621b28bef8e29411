"""Starts and stops the child processes of `barkserve up`."""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

from barkserve.options import environment
from barkserve.up.log_tail import LogTail
from barkserve.up.plan import PlannedService

_KILL_AFTER_S = 5.0
"""Time after the drain that a service has to end before it is killed."""

_LAST_OUTPUT_S = 2.0
"""Time for the last output of a process that has ended; one of its children may hold the pipe."""


@dataclass(eq=False)
class Child:
    """A service and its current process.

    Attributes:
        service: what was started.
        process: its process.
        error: reads its standard output, where it prints why it cannot serve.
        log: copies its log to standard error.
    """

    service: PlannedService
    process: asyncio.subprocess.Process
    error: asyncio.Task[bytes]
    log: LogTail

    @property
    def name(self) -> str:
        """The name of the service."""
        return self.service.name

    async def end_reason(self) -> str:
        """Say how the process ended, and why as far as is known. Waits for its end."""
        code = await self.process.wait()
        await asyncio.wait([self.error, self.log.copying], timeout=_LAST_OUTPUT_S)
        if code < 0:
            name = signal.Signals(-code).name
            return f"was killed by {name}{', probably out of memory' if name == 'SIGKILL' else ''}"
        printed = self._printed_error()
        return f"ended with exit code {code}" + (f": {printed}" if printed else "")

    def log_excerpt(self) -> str:
        """The end of the log, indented, if the process printed no error."""
        lines = [] if self._printed_error() else self.log.last_lines()
        return "".join(f"\n    {line}" for line in lines)

    def kill(self) -> None:
        """Kill the process."""
        with suppress(ProcessLookupError):
            self.process.kill()

    def _printed_error(self) -> str:
        return self.error.result().decode().strip() if self.error.done() else ""


async def start(service: PlannedService) -> Child:
    """Start a service.

    It also stops when its standard input closes, so that it does not outlive this process.
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "barkserve", *service.arguments,
        env={**environment(), **service.variables},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,  # Ctrl-C reaches only this process, which stops the others
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stderr is not None
    error = asyncio.create_task(process.stdout.read())
    return Child(service, process, error, LogTail(process.stderr))


@asynccontextmanager
async def running(planned: Sequence[PlannedService], drain_s: float) -> AsyncIterator[list[Child]]:
    """Run the services for the duration of the block.

    Args:
        planned: the services.
        drain_s: seconds that running streams have to finish at the end.

    Yields:
        The children. The caller replaces those that it restarts.
    """
    children: list[Child] = []
    try:
        for service in planned:
            children.append(await start(service))
        yield children
    finally:
        await _stop(children, drain_s)


async def _stop(children: Sequence[Child], drain_s: float) -> None:
    """Stop the orchestrator before the stages: the streams that it drains still need them."""
    stages = [child for child in children if child.service.is_stage]
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
        child.kill()
        await child.end_reason()  # so that its last output is shown
