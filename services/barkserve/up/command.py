"""`barkserve up`: the five services as five processes on one machine, started, watched and stopped
together.

Knows processes, ports and health; knows nothing of what the services do. Children notice when this
process goes away, however it goes: they stop when their standard input closes. Their last words
come on their standard output, so that what stops all of them is said once.
"""

import asyncio
import os
import shutil
import signal
import socket
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

import grpc
import platformdirs
from grpc_health.v1 import health_pb2

from barkserve.config import UpOptions, check_offload
from barkserve.constants import STAGES
from barkserve.errors import StartupError
from barkserve.options import flag_of
from barkserve.serving.health import health_check

SERVER_VARIABLE = "BARKCLIENT_SERVER"
"""Tells a command run by `barkserve up -- COMMAND` where the orchestrator listens."""

NO_STORE = "none"
"""The voice store that is none."""


@dataclass(frozen=True)
class Member:
    """One service to start: its name, its port, and its command line behind `barkserve`."""

    name: str
    port: int
    arguments: tuple[str, ...]


@dataclass
class Child:
    """A service that runs, and what it says on its standard output: why it cannot serve."""

    member: Member
    process: asyncio.subprocess.Process
    last_words: asyncio.Task[bytes]


async def up(options: UpOptions, command: Sequence[str]) -> int:
    """Run the five until told to stop, or until `command` ends. Returns the exit code.

    Raises:
        StartupError: the command does not exist, or a service ended or did not become healthy in
            time; then the others are stopped.
    """
    _check_command(command)
    members = plan_members(options)
    stop = _stop_signal()
    async with _running(members, options.drain_seconds) as children:
        deaths = asyncio.create_task(_first_death(children))
        try:
            ready = asyncio.create_task(_all_healthy(children, options.startup_seconds))
            await _first_of(stop, deaths, ready)
            if stop.done():
                return 130
            await _raise_death(deaths)
            await ready
            address = f"{options.host}:{members[-1].port}"
            if not command:
                _say(f"barkserve is up at {address}; Ctrl-C stops it")
                await _first_of(stop, deaths)
                await _raise_death(deaths)
                return 0
            return await _run_command(command, address, stop, deaths, options.drain_seconds)
        finally:
            deaths.cancel()


def _check_command(command: Sequence[str]) -> None:
    """What cannot be run is said before anything is loaded."""
    if command and shutil.which(command[0]) is None:
        raise StartupError(
            f"{command[0]!r} cannot be run: no program of that name is on the PATH, or it may not"
            " be executed. Behind -- stands a program and its arguments: -- barkclient say Hello"
        )


def plan_members(options: UpOptions) -> list[Member]:
    """The five services, the orchestrator last, with their ports and flags."""
    check_offload(options.device, options.offload_idle_seconds)
    ports = _ports(options.port, len(STAGES) + 1)
    metrics = [
        options.metrics_port + index if options.metrics_port else 0 for index in range(len(ports))
    ]
    common = {
        "checkpoint": options.checkpoint,
        "drain_seconds": options.drain_seconds,
        "log_level": options.log_level,
    }
    threads = options.threads or max(1, (os.cpu_count() or 1) // 2)
    model = {
        "device": options.device,
        "dtype": options.dtype,
        "attention": options.attention,
        "threads": threads,
        "offload_idle_seconds": options.offload_idle_seconds,
    }
    members = []
    for stage, port, metrics_port in zip(STAGES, ports[1:], metrics[1:], strict=True):
        flags = {
            **common,
            **model,
            "host": "127.0.0.1",
            "port": port,
            "metrics_port": metrics_port,
        }
        if stage in ("semantic", "coarse"):
            flags["slots"] = options.slots
        members.append(Member(stage, port, _arguments(stage, flags)))
    flags = {
        **common,
        "host": options.host,
        "port": ports[0],
        "metrics_port": metrics[0],
        "voice": options.voice,
        "voice_store": _voice_store(options.voice_store),
    }
    flags |= {member.name: f"127.0.0.1:{member.port}" for member in members}
    members.append(Member("orchestrator", ports[0], _arguments("orchestrator", flags)))
    return members


def _voice_store(given: str) -> str:
    """What the orchestrator is told: created voices outlive `barkserve up`."""
    if given == NO_STORE:
        return ""
    return given or str(platformdirs.user_data_path("barkserve", appauthor=False) / "voices")


def _arguments(service: str, flags: dict[str, object]) -> tuple[str, ...]:
    # NAME=VALUE in one word: a value may begin with a dash
    return (
        service,
        "--exit-on-stdin-close",
        *(f"{flag_of(name)}={value}" for name, value in flags.items()),
    )


def _ports(first: int, count: int) -> list[int]:
    """Consecutive ports from `first`, or free ones for 0."""
    if first:
        return list(range(first, first + count))
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()


@asynccontextmanager
async def _running(members: list[Member], drain_s: float) -> AsyncIterator[list[Child]]:
    children: list[Child] = []
    try:
        for member in members:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "barkserve", *member.arguments,
                stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
                start_new_session=True,  # Ctrl-C reaches this process only, which stops them
            )  # fmt: skip
            assert process.stdout is not None
            last_words = asyncio.create_task(process.stdout.read())
            children.append(Child(member, process, last_words))
        yield children
    finally:
        await _stop(children, drain_s)


async def _stop(children: list[Child], drain_s: float) -> None:
    """The orchestrator first: what it still speaks needs the stages, piece after piece."""
    stages = [child for child in children if child.member.name in STAGES]
    await _stop_together([child for child in children if child not in stages], drain_s)
    await _stop_together(stages, drain_s)


async def _stop_together(children: list[Child], drain_s: float) -> None:
    """SIGTERM to all, SIGKILL to those that do not finish."""
    for child in children:
        with suppress(ProcessLookupError):
            child.process.terminate()
    waits = [asyncio.create_task(child.process.wait()) for child in children]
    if waits:
        await asyncio.wait(waits, timeout=drain_s + 5.0)
    for child in children:
        if child.process.returncode is None:
            with suppress(ProcessLookupError):
                child.process.kill()
            await child.process.wait()


async def _first_death(children: list[Child]) -> Child:
    waits = {asyncio.create_task(child.process.wait()): child for child in children}
    done, pending = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    for task in pending:
        task.cancel()
    return waits[done.pop()]


async def _raise_death(deaths: "asyncio.Task[Child]") -> None:
    if deaths.done():
        child = deaths.result()
        words = (await child.last_words).decode().strip()
        how = _how_it_ended(child.process.returncode or 0, words)
        raise StartupError(f"the {child.member.name} service {how}; the others were stopped")


def _how_it_ended(code: int, words: str) -> str:
    if code >= 0:
        return f"ended with exit code {code}" + (f": {words}" if words else ", as said above")
    name = signal.Signals(-code).name
    return f"was killed by {name}{', most likely for want of memory' if name == 'SIGKILL' else ''}"


async def _all_healthy(children: list[Child], timeout_s: float) -> None:
    """Wait for every service in turn, saying so."""
    try:
        async with asyncio.timeout(timeout_s):
            for number, child in enumerate(children, 1):
                await _healthy(f"127.0.0.1:{child.member.port}")
                _say(f"[{number}/{len(children)}] {child.member.name} is ready")
    except TimeoutError:
        raise StartupError(
            f"the services were not ready after {timeout_s:g} s; "
            "give them longer with --startup-seconds"
        ) from None


async def _healthy(address: str) -> None:
    async with grpc.aio.insecure_channel(address) as channel:
        check = health_check(channel)
        while True:
            with suppress(grpc.aio.AioRpcError):
                response = await check(health_pb2.HealthCheckRequest(), timeout=1.0)
                if response.status == health_pb2.HealthCheckResponse.SERVING:
                    return
            await asyncio.sleep(0.05)


async def _run_command(
    command: Sequence[str],
    address: str,
    stop: "asyncio.Future[None]",
    deaths: "asyncio.Task[Child]",
    drain_s: float,
) -> int:
    """Run a command beside the services, as `dbus-run-session -- COMMAND` does; its exit code is
    ours.
    """
    try:
        process = await asyncio.create_subprocess_exec(
            *command, env={**os.environ, SERVER_VARIABLE: address}, start_new_session=True
        )
    except OSError as error:
        raise StartupError(f"{command[0]} cannot be run ({error.strerror})") from error
    ended = asyncio.create_task(process.wait())
    await _first_of(stop, deaths, ended)
    if not ended.done():
        await _interrupt(process, ended, drain_s)
        if not stop.done():
            await _raise_death(deaths)
    return ended.result() if ended.result() >= 0 else 128 - ended.result()


async def _interrupt(
    process: asyncio.subprocess.Process, ended: "asyncio.Task[int]", drain_s: float
) -> None:
    """What Ctrl-C does in a terminal, where a command's own children hear it too: a shell waits for
    the program that it runs. SIGKILL to those that do not finish.
    """
    for signum, patience_s in ((signal.SIGINT, drain_s), (signal.SIGKILL, None)):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signum)
        await asyncio.wait([ended], timeout=patience_s)
        if ended.done():
            return


async def _first_of(
    *futures: "asyncio.Future[None] | asyncio.Task[Child] | asyncio.Task[None] | asyncio.Task[int]",
) -> None:
    await asyncio.wait(futures, return_when=asyncio.FIRST_COMPLETED)


def _stop_signal() -> "asyncio.Future[None]":
    """Done at the first SIGINT or SIGTERM; further ones change nothing, stopping is bounded in time
    anyway.
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
