"""Runs one service until it is told to stop: bind, load, serve, drain."""

import asyncio
import logging
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TypeVar

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from barkserve.errors import ModelExecutionFailed, StartupError
from barkserve.external import orca_pb2_grpc
from barkserve.serving import orca
from barkserve.serving.interceptors import RpcInterceptor
from barkserve.serving.load import Load, ReadLoad
from barkserve.serving.metrics import Metrics
from barkserve.serving.orca import LoadReporter
from barkserve.serving.tls import TlsFiles

_log = logging.getLogger(__name__)

Servicer = TypeVar("Servicer")

SERVER_OPTIONS = (
    ("grpc.so_reuseport", 0),  # a busy port is an error, not a second listener
    ("grpc.http2.bdp_probe", 0),
    ("grpc.http2.min_recv_ping_interval_without_data_ms", 5_000),
    ("grpc.keepalive_permit_without_calls", 1),
)


_FINAL_MESSAGE_S = 1.0
"""For what has ended to reach its clients; whoever only watches health is not waited for longer."""

_GRPC_TASKS_S = 2.0
"""For gRPC's tasks to end, which they do at once unless the machine is very busy."""


@dataclass(frozen=True)
class ServerOptions:
    """Where a service listens and how it leaves.

    Attributes:
        host, port: where gRPC is served.
        metrics_port: where Prometheus may scrape; 0 means nowhere.
        health_port: where grpc.health.v1 alone is served in plaintext; 0 means nowhere.
        max_connection_age_s: after how long clients are asked to connect anew; 0 means never.
        tls: the certificates, None for plaintext.
        clients_need_certificate: of one of the authorities in `tls`.
        drain_s: seconds that running streams get to finish after the first SIGTERM.
        exit_on_stdin_close: stop when standard input closes, so that no child outlives `barkserve
            up`.
    """

    host: str
    port: int
    metrics_port: int
    drain_s: float
    exit_on_stdin_close: bool
    health_port: int = 0
    max_connection_age_s: float = 0.0
    tls: TlsFiles | None = None
    clients_need_certificate: bool = False


async def _nothing() -> None: ...


def _do_nothing() -> None: ...


async def _never() -> None:
    await asyncio.Event().wait()


@dataclass(frozen=True)
class Service:
    """What a server serves.

    Attributes:
        full_name: "barkserve.v1.SpeechService", for health and reflection.
        register: adds the servicer to a server.
        load: reads how busy it is, for load reports.
        start, stop: run before the first and after the last RPC.
        beside: further services on the same port, which share its fate.
        leave: called when the service has been told to stop, before it waits for what runs.
        behind_vip: its clients know an address and not the replicas behind it, as those of a
            Kubernetes Service do. Others know each replica, and go to the next if one refuses.
        lost: returns once this process cannot serve any more, and only another one can.
    """

    full_name: str
    register: Callable[[grpc.aio.Server], None]
    start: Callable[[], Awaitable[None]] = _nothing
    stop: Callable[[], Awaitable[None]] = _nothing
    load: ReadLoad = Load
    extra_services: "tuple[Service, ...]" = ()
    on_drain: Callable[[], None] = _do_nothing
    behind_vip: bool = False
    wait_fatal: Callable[[], Awaitable[None]] = _never

    @property
    def all_services(self) -> "tuple[Service, ...]":
        """This service and those beside it."""
        return (self, *self.extra_services)


@dataclass(frozen=True)
class Published:
    """A service that answers: its health and its load reports."""

    service: Service
    health: health.aio.HealthServicer
    reporter: LoadReporter

    async def set_draining(self) -> None:
        """Say that no further stream is wanted. The process itself stays healthy: it must not be
        killed for draining.
        """
        for service in self.service.all_services:
            await self.health.set(service.full_name, health_pb2.HealthCheckResponse.NOT_SERVING)
        self.reporter.drain()


async def serve(options: ServerOptions, metrics: Metrics, build: Callable[[], Service]) -> None:
    """Serve until SIGINT or SIGTERM (twice: at once).

    Raises:
        StartupError: it cannot begin.
        ModelExecutionFailed: its device is lost to this process.
    """
    async with AsyncExitStack() as stack:
        stack.push_async_callback(calls_ended)
        interceptor = RpcInterceptor(metrics)
        server = grpc.aio.server(interceptors=[interceptor], options=_options(options))
        stack.push_async_callback(server.stop, None)
        port = bind(server, options.host, options.port, _credentials(options))
        probed = await stack.enter_async_context(_health_server(options))
        stack.callback(metrics.serve(options.host, options.metrics_port))
        service = build()
        await service.start()
        stack.push_async_callback(service.stop)
        published = await publish(server, service)
        stop_requested = _stop_requested(
            options.exit_on_stdin_close
        )  # before anybody sees it serve
        await server.start()
        await probed(published.health)
        _log.info("%s listens on %s:%d", service.full_name, options.host, port)
        wait_fatal = await _ending(stop_requested, service.wait_fatal)
        left, drain_s = service.load().streams, 0.0 if wait_fatal else options.drain_s
        _log.info("%s ends after its %d streams or %g s", service.full_name, left, drain_s)
        await published.set_draining()
        service.on_drain()
        await _drain(server, interceptor, service.behind_vip, drain_s)
    if wait_fatal:
        raise ModelExecutionFailed("the device is lost to this process, which ends: start it again")


async def _drain(
    server: grpc.aio.Server, interceptor: RpcInterceptor, behind_vip: bool, at_most_s: float
) -> None:
    """Begin no further streams, and let those that run end."""
    if behind_vip:
        # Connections are told to go (GOAWAY): a client's next stream begins where its address leads
        # to then. What was let in before needs a moment to be counted.
        closing = asyncio.create_task(server.stop(at_most_s))
        await asyncio.wait([closing], timeout=_FINAL_MESSAGE_S)
    else:
        interceptor.refuse()
    await interceptor.idle(at_most_s)
    await server.stop(_FINAL_MESSAGE_S)


async def _ending(stop_requested: asyncio.Event, wait_fatal: Callable[[], Awaitable[None]]) -> bool:
    """Return when told to stop, or True as soon as lost() returns."""
    told, losing = (asyncio.ensure_future(each()) for each in (stop_requested.wait, wait_fatal))
    try:
        await asyncio.wait([told, losing], return_when=asyncio.FIRST_COMPLETED)
        return losing.done()
    finally:
        told.cancel()
        losing.cancel()


async def calls_ended() -> None:
    """After a server's stop: let gRPC finish with the calls that it cancelled.

    Its tasks are a few turns of the loop behind, and one that the loop's end meets on the way logs
    that as a failure of the call. Whatever else still runs is not waited for longer.
    """
    others = asyncio.all_tasks() - {asyncio.current_task()}
    if others:
        await asyncio.wait(others, timeout=_GRPC_TASKS_S)


def bind(
    server: grpc.aio.Server,
    host: str,
    port: int,
    credentials: grpc.ServerCredentials | None = None,
    option: str = "--port",
) -> int:
    """Take the port; 0 takes any. Returns the port. Raises StartupError when it cannot be had."""
    _try(host, port, option)
    try:
        if credentials is None:
            return server.add_insecure_port(f"{host}:{port}")
        return server.add_secure_port(f"{host}:{port}", credentials)
    except RuntimeError as error:  # somebody was quicker
        raise _cannot_listen(host, port, option, str(error)) from error


def _try(host: str, port: int, option: str) -> None:
    """What gRPC would say in its log, and to us only that it failed."""
    try:
        found = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)
        with socket.socket(found[0][0]) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(found[0][4])
    except OSError as error:
        raise _cannot_listen(host, port, option, error.strerror or str(error)) from error


def _cannot_listen(host: str, port: int, option: str, reason: str) -> StartupError:
    return StartupError(
        f"cannot listen on port {port} of {host} ({reason}): stop what listens there, or choose"
        f" another with {option} or --host"
    )


async def publish(server: grpc.aio.Server, service: Service) -> Published:
    """Register the service with its load reports (ORCA), server reflection and health
    (grpc.health.v1): "" is whether the process lives, the service's name whether it takes
    streams.
    """
    for each in service.all_services:
        each.register(server)
    reporter = LoadReporter(service.load)
    register_with(orca_pb2_grpc.add_OpenRcaServiceServicer_to_server, reporter)(server)
    health_servicer = health.aio.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(health_servicer, server)
    own = [each.full_name for each in service.all_services]
    names = (*own, orca.SERVICE_NAME, health.SERVICE_NAME, reflection.SERVICE_NAME)
    reflection.enable_server_reflection(names, server)
    for name in ("", *own):
        await health_servicer.set(name, health_pb2.HealthCheckResponse.SERVING)
    return Published(service, health_servicer, reporter)


@asynccontextmanager
async def _health_server(
    options: ServerOptions,
) -> AsyncIterator[Callable[[health.aio.HealthServicer], Awaitable[None]]]:
    """The plaintext health port, if one is wanted: taken now, and answered once what is given here
    can be asked for its health.
    """
    server = grpc.aio.server(options=SERVER_OPTIONS)
    if options.health_port:
        bind(server, options.host, options.health_port, option="--health-port")

    async def answer(servicer: health.aio.HealthServicer) -> None:
        health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
        if options.health_port:
            await server.start()

    try:
        yield answer
    finally:
        await server.stop(grace=None)


def _options(options: ServerOptions) -> tuple[tuple[str, int], ...]:
    if options.max_connection_age_s == 0:
        return SERVER_OPTIONS
    age_ms = round(options.max_connection_age_s * 1000)  # gRPC varies it by a tenth
    return (*SERVER_OPTIONS, ("grpc.max_connection_age_ms", age_ms))


def _credentials(options: ServerOptions) -> grpc.ServerCredentials | None:
    if options.tls is None:
        return None
    return options.tls.server_credentials(options.clients_need_certificate)


def _stop_requested(exit_on_stdin_close: bool) -> asyncio.Event:
    """Set at the first SIGINT, SIGTERM or (if asked) end of standard input; a second signal exits
    at once.
    """
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()

    def on_signal() -> None:
        if stop.is_set():
            os._exit(130)
        stop.set()

    def on_stdin() -> None:
        if not os.read(sys.stdin.fileno(), 4096):
            loop.remove_reader(sys.stdin.fileno())
            stop.set()

    for signum in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(signum, on_signal)
    if exit_on_stdin_close:
        loop.add_reader(sys.stdin.fileno(), on_stdin)
    return stop


def register_with(
    add: Callable[[Servicer, grpc.aio.Server], None], servicer: Servicer
) -> Callable[[grpc.aio.Server], None]:
    """A Service.register from a generated add_XServicer_to_server function."""
    return lambda server: add(servicer, server)
