"""`barkserve up`: starts the services, waits until they are ready, and stops them together."""

import asyncio
import signal
import sys
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Any, NoReturn

from barkserve.config.up import UpOptions
from barkserve.constants import STAGES
from barkserve.engine.core_share import core_share_file
from barkserve.services import GATEWAY, ORCHESTRATOR
from barkserve.serving.logs import chosen_format
from barkserve.up.children import running
from barkserve.up.mps import mps_daemon
from barkserve.up.orchestrators import reserved_port
from barkserve.up.plan import PlannedService, pin_cores, plan_services
from barkserve.up.readiness import wait_until_ready
from barkserve.up.supervisor import Supervisor
from barkserve.up.user_command import check_command, interrupt, start_command

_INTERRUPTED = 130


async def up(options: UpOptions, command: Sequence[str]) -> int:
    """Run the services until a signal, or until a command ends.

    Args:
        options: the options of `barkserve up`.
        command: a program and its arguments; empty to run until a signal.

    Returns:
        The exit code.

    Raises:
        StartupError: the command does not exist, a service was not ready in time, or one ended
            before that or too often. The other services are stopped.
    """
    check_command(command)
    with core_share_file(len(STAGES)) as cores_file:
        shown = replace(options, log_format=chosen_format(options.log_format, sys.stderr))
        planned = plan_services(shown, cores_file)
        if options.pin_cores:
            planned = pin_cores(planned, options.device)
        port = next(each.port for each in planned if each.name == ORCHESTRATOR.name)
        with reserved_port(options, port):
            return await _up(options, command, planned)


async def _up(options: UpOptions, command: Sequence[str], planned: Sequence[PlannedService]) -> int:
    """Run the planned services. Like `up`."""
    addresses = {each.name: each.address for each in planned}
    address = addresses[ORCHESTRATOR.name]
    stop = _stop_signal()
    async with AsyncExitStack() as stack:
        variables = await stack.enter_async_context(mps_daemon(options.mps, options.device, _say))
        planned = [replace(each, variables=variables if each.is_stage else {}) for each in planned]
        children = await stack.enter_async_context(running(planned, options.drain_seconds))
        supervisor = Supervisor(children, options, _say)
        failed = asyncio.create_task(supervisor.watch())
        try:
            ready = asyncio.create_task(wait_until_ready(planned, options.startup_seconds, _say))
            await _first_of(stop, failed, ready)
            if stop.done():
                return _INTERRUPTED
            if failed.done():
                await failed
            await ready
            supervisor.begin_restarts()
            if command:
                return await _run_command(command, address, stop, failed, options.drain_seconds)
            _say(f"barkserve is up at {address}; Ctrl-C stops it")
            if GATEWAY.name in addresses:
                url = f"{'https' if options.tls_cert else 'http'}://{addresses[GATEWAY.name]}"
                _say(f"Open {url} in a browser to type a text and hear it")
                _say(_ports(address, options))
            await _first_of(stop, failed)
            if not stop.done():
                await failed
            return 0
        finally:
            failed.cancel()
            await asyncio.gather(failed, return_exceptions=True)  # no service starts after this


def _ports(address: str, options: UpOptions) -> str:
    """Say which protocol each port speaks."""
    ports = {
        address.rpartition(":")[2]: "gRPC (barkclient)",
        str(options.http_port): "HTTP and WebSocket (curl, the clients of OpenAI and ElevenLabs)",
    }
    if options.wyoming_port:
        ports[str(options.wyoming_port)] = "Wyoming (Home Assistant)"
    return "Ports: " + ", ".join(f"{port} {protocol}" for port, protocol in ports.items())


async def _run_command(
    command: Sequence[str],
    address: str,
    stop: "asyncio.Future[None]",
    failed: "asyncio.Task[NoReturn]",
    drain_s: float,
) -> int:
    """Run a command until it ends, or until a signal or a failed service interrupts it.

    Returns:
        The exit code of the command; 128 plus the number of the signal that ended it.
    """
    process = await start_command(command, address)
    ended = asyncio.create_task(process.wait())
    await _first_of(stop, failed, ended)
    if not ended.done():
        await interrupt(process, ended, drain_s)
        if not stop.done():
            await failed
    return ended.result() if ended.result() >= 0 else 128 - ended.result()


async def _first_of(*futures: "asyncio.Future[Any]") -> None:
    await asyncio.wait(futures, return_when=asyncio.FIRST_COMPLETED)


def _stop_signal() -> "asyncio.Future[None]":
    """A future that completes at the first SIGINT, SIGTERM or SIGHUP.

    Further signals are ignored: the time for stopping is limited anyway.
    """
    loop = asyncio.get_running_loop()
    stop: asyncio.Future[None] = loop.create_future()

    def on_signal() -> None:
        if not stop.done():
            stop.set_result(None)

    for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(signum, on_signal)
    return stop


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
