"""Runs the command of `barkserve up -- COMMAND`, as `dbus-run-session -- COMMAND` does."""

import asyncio
import os
import shutil
import signal
from collections.abc import Sequence
from contextlib import suppress

from barkserve.errors import StartupError
from barkserve.options import environment

SERVER_VARIABLE = "BARKCLIENT_SERVER"
"""Tells the command where the orchestrator listens."""


def check_command(command: Sequence[str]) -> None:
    """Check a command before anything is loaded.

    Raises:
        StartupError: there is no such program.
    """
    if command and shutil.which(command[0]) is None:
        raise StartupError(
            f"cannot run {command[0]!r}: no executable program of that name is on the PATH. Give a "
            "program and its arguments after --, such as -- barkclient say Hello"
        )


async def start_command(command: Sequence[str], address: str) -> asyncio.subprocess.Process:
    """Start a command that finds the orchestrator at `address`.

    Raises:
        StartupError: the program cannot be run.
    """
    try:
        return await asyncio.create_subprocess_exec(
            *command, env={**environment(), SERVER_VARIABLE: address}, start_new_session=True
        )
    except OSError as error:
        raise StartupError(f"cannot run {command[0]!r} ({error.strerror})") from error


async def interrupt(
    process: asyncio.subprocess.Process, ended: "asyncio.Task[int]", timeout_s: float
) -> None:
    """Interrupt a command and its children, as Ctrl-C in a terminal does.

    A shell waits for the program that it runs, so the whole process group gets the signal.

    Args:
        process: the command.
        ended: waits for it.
        timeout_s: seconds until SIGKILL follows SIGINT.
    """
    for signum, wait_s in ((signal.SIGINT, timeout_s), (signal.SIGKILL, None)):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signum)
        await asyncio.wait([ended], timeout=wait_s)
        if ended.done():
            return
