"""NVIDIA's Multi-Process Service (MPS): the kernels of several processes run on one GPU at once.

Without it, processes take turns. It has nothing to do with Apple's `--device mps`.
"""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from tempfile import TemporaryDirectory

from barkserve.errors import StartupError
from barkserve.options import environment

CONTROL = "nvidia-cuda-mps-control"
"""The program that starts and stops the daemon. It comes with NVIDIA's driver."""

PIPE_VARIABLE = "CUDA_MPS_PIPE_DIRECTORY"
"""Tells CUDA where the daemon listens."""

_LOG_VARIABLE = "CUDA_MPS_LOG_DIRECTORY"
_TIMEOUT_S = 15.0


@asynccontextmanager
async def mps_daemon(
    mode: str, device: str, say: Callable[[str], None]
) -> AsyncIterator[Mapping[str, str]]:
    """Run an MPS daemon of this user for the duration of the block.

    The daemon has a folder of its own, so it neither needs nor disturbs another one. A user who
    has started a daemon and set CUDA_MPS_PIPE_DIRECTORY keeps it.

    Args:
        mode: auto, on or off. With auto, the services run without MPS where it is missing or fails.
        device: the device of the stages.
        say: shows a line to the user.

    Yields:
        Environment variables that connect a process to the daemon; empty without one.

    Raises:
        StartupError: mode is on, and there is no daemon.
    """
    on_cuda, required = device.startswith("cuda"), mode == "on"
    if required and not on_cuda:
        raise StartupError(
            f"--mps on needs --device cuda, and the device is {device}: use --mps off. MPS shares "
            "an NVIDIA GPU between processes"
        )
    control = shutil.which(CONTROL)
    if required and control is None:
        raise StartupError(
            f"--mps on: {CONTROL} is not on the PATH. It comes with NVIDIA's driver: add its "
            "folder to the PATH, or use --mps off"
        )
    if not on_cuda or mode == "off" or control is None or environment().get(PIPE_VARIABLE):
        yield {}
        return
    with TemporaryDirectory(prefix="barkserve-mps-", ignore_cleanup_errors=True) as folder:
        variables = {PIPE_VARIABLE: f"{folder}/pipe", _LOG_VARIABLE: f"{folder}/log"}
        for path in variables.values():
            os.mkdir(path)
        problem = await _control(control, ("-d",), "", variables)
        if problem and required:
            raise StartupError(f"--mps on: {CONTROL} -d {problem}. Use --mps off")
        if problem:
            say(f"running without MPS: {CONTROL} -d {problem}")
            yield {}
            return
        try:
            yield variables
        finally:
            problem = await _control(control, (), "quit\n", variables)
            if problem:
                say(f"the MPS daemon in {folder} may still run: quitting it {problem}")


async def _control(
    program: str, arguments: tuple[str, ...], commands: str, variables: Mapping[str, str]
) -> str:
    """Run the program. Returns what went wrong; empty if nothing did."""
    # The daemon inherits the standard streams, and keeps pipes open: its output must not be one.
    process = await asyncio.create_subprocess_exec(
        program, *arguments,
        env={**environment(), **variables},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
        start_new_session=True,  # Ctrl-C must not end the daemon before the services
    )  # fmt: skip
    try:
        async with asyncio.timeout(_TIMEOUT_S):
            await process.communicate(commands.encode())
    except TimeoutError:
        process.kill()
        await process.wait()
        return f"did not end within {_TIMEOUT_S:g} s"
    return f"ended with exit code {process.returncode}" if process.returncode else ""
