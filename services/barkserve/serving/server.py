"""Runs one service: bind, load, serve, drain."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager

import grpc

from barkserve.config import ServiceOptions
from barkserve.errors import ModelExecutionFailed
from barkserve.serving.exposure import check_exposure
from barkserve.serving.grpc_options import server_options
from barkserve.serving.interceptors import RpcInterceptor
from barkserve.serving.metrics import Metrics
from barkserve.serving.ports import bind
from barkserve.serving.publishing import health_server, publish
from barkserve.serving.service import Service
from barkserve.serving.stop_signal import stop_requested
from barkserve.serving.tls import TlsFiles

_log = logging.getLogger(__name__)

_FINAL_MESSAGE_S = 1.0
"""Time for final messages to reach their clients, after the last stream has finished."""

_GRPC_TASKS_S = 2.0
"""Time for gRPC's tasks to end. They end at once unless the machine is very busy."""


async def serve(options: ServiceOptions, metrics: Metrics, build: Callable[[], Service]) -> None:
    """Serve until SIGINT or SIGTERM, then drain. A second signal ends the process at once.

    Args:
        options: where to listen, and how to drain.
        metrics: the metrics of the service.
        build: makes the service, after its ports are bound.

    Raises:
        StartupError: the service cannot start.
        ModelExecutionFailed: the device fails every model call of this process.
    """
    check_exposure(options)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(calls_ended)
        interceptor = RpcInterceptor(metrics)
        server = grpc.aio.server(
            interceptors=[interceptor],
            options=server_options(options.max_connection_age_seconds, options.keepalive_seconds),
        )
        stack.push_async_callback(server.stop, None)
        credentials = await stack.enter_async_context(_credentials(options, metrics))
        port = bind(server, options.host, options.port, credentials)
        start_health = await stack.enter_async_context(health_server(options))
        stack.callback(metrics.serve(options.host, options.metrics_port))
        service = build()
        await service.start()
        stack.push_async_callback(service.stop)
        published = await publish(server, service)
        # Before clients can see that it serves, or a signal then would kill the process.
        stop = stop_requested(options.exit_on_stdin_close)
        await server.start()
        await start_health(published.health)
        _log.info("%s listens on %s:%d", service.full_name, options.host, port)
        fatal = await _wait_for_end(stop, service.wait_fatal)
        drain_s = 0.0 if fatal else options.drain_seconds
        _log.info(
            "%s drains %d streams for up to %g s",
            service.full_name,
            service.load().streams,
            drain_s,
        )
        await published.set_draining()
        service.on_drain()
        await _drain(server, interceptor, service.behind_vip, drain_s)
    if fatal:
        raise ModelExecutionFailed(
            "the device is lost to this process, which ends now: start it again"
        )


async def _drain(
    server: grpc.aio.Server, interceptor: RpcInterceptor, behind_vip: bool, drain_s: float
) -> None:
    """Accept no further stream, and wait until the running ones finish."""
    if behind_vip:
        # GOAWAY: the next stream of a client goes to the replica that its address leads to then.
        # Streams that were accepted just before need a moment to be counted.
        closing = asyncio.create_task(server.stop(drain_s))
        await asyncio.wait([closing], timeout=_FINAL_MESSAGE_S)
    else:
        interceptor.refuse()
    await interceptor.wait_idle(drain_s)
    await server.stop(_FINAL_MESSAGE_S)


async def _wait_for_end(
    stop_requested: asyncio.Event, wait_fatal: Callable[[], Awaitable[None]]
) -> bool:
    """Wait for a stop request or a fatal failure. Returns whether it was a failure."""
    stop, failure = (asyncio.ensure_future(each()) for each in (stop_requested.wait, wait_fatal))
    try:
        await asyncio.wait([stop, failure], return_when=asyncio.FIRST_COMPLETED)
        return failure.done()
    finally:
        stop.cancel()
        failure.cancel()


async def calls_ended() -> None:
    """Let gRPC finish the calls that it cancelled. Await this after a server's stop.

    gRPC's tasks need a few more turns of the event loop. A task that is cancelled by the end of
    the loop logs a failure of its call. Tasks that still run after two seconds are not waited for.
    """
    others = asyncio.all_tasks() - {asyncio.current_task()}
    if others:
        await asyncio.wait(others, timeout=_GRPC_TASKS_S)


@asynccontextmanager
async def _credentials(
    options: ServiceOptions, metrics: Metrics
) -> AsyncIterator[grpc.ServerCredentials | None]:
    """The credentials of the port, None for plaintext. Their files are followed in the block."""
    tls = TlsFiles.from_options(options)
    if tls is None:
        yield None
        return
    metrics.watch(
        "tls_certificate_expiry_timestamp_seconds",
        "When the TLS certificate in use expires, in seconds since 1970",
        tls.expiry_timestamp,
    )
    async with tls.following():
        yield tls.server_credentials(options.requires_client_certificate)
