"""Runs one service until it is told to stop: bind, load, serve, drain."""

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from barkserve.errors import StartupError
from barkserve.serving.interceptors import RpcInterceptor
from barkserve.serving.metrics import Metrics

_log = logging.getLogger(__name__)

_SERVER_OPTIONS = (
    ("grpc.so_reuseport", 0),  # a busy port is an error, not a second listener
    ("grpc.http2.bdp_probe", 0),
    ("grpc.http2.min_recv_ping_interval_without_data_ms", 5_000),
    ("grpc.keepalive_permit_without_calls", 1),
)


@dataclass(frozen=True)
class ServerOptions:
    """Where a service listens and how it leaves.

    Attributes:
        host, port: where gRPC is served.
        metrics_port: where Prometheus may scrape; 0 means nowhere.
        drain_s: seconds that running streams get to finish after the first SIGTERM.
        exit_on_stdin_close: stop when standard input closes, so that no child outlives `barkserve
            up`.
    """

    host: str
    port: int
    metrics_port: int
    drain_s: float
    exit_on_stdin_close: bool


@dataclass(frozen=True)
class Service:
    """What a server serves.

    Attributes:
        full_name: "barkserve.v1.SpeechService", for health and reflection.
        register: adds the servicer to a server.
        start, stop: run before the first and after the last RPC.
    """

    full_name: str
    register: Callable[[grpc.aio.Server], None]
    start: Callable[[], Awaitable[None]]
    stop: Callable[[], Awaitable[None]]


async def serve(options: ServerOptions, metrics: Metrics, build: Callable[[], Service]) -> None:
    """Serve until SIGINT or SIGTERM (twice: at once). Raises StartupError when it cannot begin."""
    async with AsyncExitStack() as stack:
        server = grpc.aio.server(interceptors=[RpcInterceptor(metrics)], options=_SERVER_OPTIONS)
        port = bind(server, options.host, options.port)
        stack.callback(metrics.serve(options.host, options.metrics_port))
        service = build()
        await service.start()
        stack.push_async_callback(service.stop)
        health_servicer = await publish(server, service)
        await server.start()
        _log.info("%s listens on %s:%d", service.full_name, options.host, port)
        await _told_to_stop(options.exit_on_stdin_close)
        _log.info("%s finishes its streams, %g s at most", service.full_name, options.drain_s)
        await health_servicer.enter_graceful_shutdown()
        await server.stop(options.drain_s)


def bind(server: grpc.aio.Server, host: str, port: int) -> int:
    """Take the port; 0 takes any. Returns the port. Raises StartupError when it is taken."""
    try:
        return server.add_insecure_port(f"{host}:{port}")
    except RuntimeError as error:
        raise StartupError(
            f"port {port} on {host} cannot be used, most likely something else listens there; "
            "stop that or choose another with --port"
        ) from error


async def publish(server: grpc.aio.Server, service: Service) -> Any:
    """Register the service with its health (grpc.health.v1, "" and by name) and server
    reflection."""
    service.register(server)
    health_servicer = health.aio.HealthServicer()  # type: ignore[attr-defined]
    health_pb2_grpc.add_HealthServicer_to_server(health_servicer, server)
    names = (service.full_name, health.SERVICE_NAME, reflection.SERVICE_NAME)
    reflection.enable_server_reflection(names, server)
    for name in ("", service.full_name):
        await health_servicer.set(name, health_pb2.HealthCheckResponse.SERVING)
    return health_servicer


async def _told_to_stop(exit_on_stdin_close: bool) -> None:
    """Return at the first SIGINT, SIGTERM or (if asked) end of standard input; a second signal
    exits at once."""
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
    await stop.wait()


def register_with(
    add: Callable[[Any, Any], None], servicer: object
) -> Callable[[grpc.aio.Server], None]:
    """A Service.register from a generated add_XServicer_to_server function."""
    return lambda server: add(servicer, server)
