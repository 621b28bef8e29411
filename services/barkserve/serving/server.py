"""Runs one service: bind, load, serve, drain."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import grpc

from barkserve.config.process import ServiceOptions
from barkserve.errors import ReplicaFailed, ReplicaStalled
from barkserve.serving.auth.access_control import open_access_control
from barkserve.serving.exposure import check_exposure
from barkserve.serving.garbage import ignore_present_objects
from barkserve.serving.grpc_options import server_options
from barkserve.serving.interceptors import RpcInterceptor
from barkserve.serving.metrics import Metrics
from barkserve.serving.ports import LOOPBACK_HOST, bind
from barkserve.serving.publishing import health_server, publish
from barkserve.serving.service import Service
from barkserve.serving.stop_signal import stop_requested
from barkserve.serving.tls import TlsFiles
from barkserve.serving.watchdog import dump_stacks, watching_event_loop

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
        ReplicaFailed: the device has failed, or the model hangs.
    """
    check_exposure(options)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(calls_ended)
        access = open_access_control(options)
        await stack.enter_async_context(access.following())
        interceptor = RpcInterceptor(
            metrics,
            access,
            output_idle_s=options.output_idle_seconds,
            max_request_bytes=options.max_request_bytes,
        )
        server = grpc.aio.server(
            interceptors=[interceptor],
            options=server_options(
                options.max_connection_age_seconds,
                options.keepalive_seconds,
                shared_port=bool(options.own_port),
            ),
        )
        stack.push_async_callback(server.stop, None)
        credentials = await stack.enter_async_context(_credentials(options, metrics))
        shared = bool(options.own_port)
        port = bind(server, options.host, options.port, credentials, shared=shared)
        if options.own_port:
            bind(server, LOOPBACK_HOST, options.own_port, credentials, "--own-port")
        start_health = await stack.enter_async_context(health_server(options, interceptor))
        stack.callback(metrics.serve(options.host, options.metrics_port))
        service = build()
        await service.start()
        ignore_present_objects()
        stack.enter_context(watching_event_loop(metrics, options.event_loop_timeout_seconds))
        stack.push_async_callback(service.stop)
        published = await publish(server, service, options.reflection == "on")
        readiness = asyncio.create_task(published.follow_readiness())
        stack.callback(readiness.cancel)
        # Before clients can see that it serves, or a signal then would kill the process.
        stop = stop_requested(options.exit_on_stdin_close)
        await server.start()
        await start_health(published.health)
        _log.info("%s listens on %s:%d", service.full_name, options.host, port)
        failed = asyncio.ensure_future(service.wait_fatal())
        stack.callback(failed.cancel)
        await _wait_for_end(stop, failed)
        failed.add_done_callback(lambda _: _end_streams(interceptor, failed, metrics))
        drain_s = 0.0 if failed.done() else options.drain_seconds
        _log.info(
            "%s drains %d streams for up to %g s",
            service.full_name,
            service.load().streams,
            drain_s,
        )
        readiness.cancel()
        await published.set_draining(alive=not failed.done())
        service.on_drain()
        await _drain(server, interceptor, service.behind_vip, drain_s)
    if failed.done() and not failed.cancelled():
        raise failed.result()


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
    stop_requested: asyncio.Event, failed: "asyncio.Future[ReplicaFailed]"
) -> None:
    """Wait for a stop request or a failure of the process."""
    stop: asyncio.Future[Any] = asyncio.ensure_future(stop_requested.wait())
    await asyncio.wait([stop, failed], return_when=asyncio.FIRST_COMPLETED)
    stop.cancel()


def _end_streams(
    interceptor: RpcInterceptor, failed: "asyncio.Future[ReplicaFailed]", metrics: Metrics
) -> None:
    """End the running streams of a process that has failed, also while it drains."""
    if failed.cancelled():
        return
    _log.critical("%s", failed.result())
    if isinstance(failed.result(), ReplicaStalled):
        metrics.watchdog_tripped()
        dump_stacks()
    interceptor.fail(failed.result())


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
    metrics.watch_certificate(tls.expiry_timestamp)
    async with tls.following():
        yield tls.server_credentials(options.requires_client_certificate)
