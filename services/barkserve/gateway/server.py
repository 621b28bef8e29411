"""Runs the gateway: bind, serve, drain."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager

import uvicorn

from barkserve.config.gateway import GatewayOptions
from barkserve.gateway.certificate import following_certificate
from barkserve.gateway.gateway import Gateway
from barkserve.gateway.wyoming.server import serving_wyoming
from barkserve.serving.exposure import check_exposure, check_wyoming_exposure
from barkserve.serving.garbage import ignore_present_objects
from barkserve.serving.metrics import Metrics
from barkserve.serving.ports import listening_socket
from barkserve.serving.stop_signal import stop_requested
from barkserve.serving.watchdog import watching_event_loop

_log = logging.getLogger(__name__)

_FINAL_MESSAGE_S = 1
_MAX_MESSAGE_BYTES = 2 * 1024 * 1024
_MAX_HEADER_BYTES = 64 * 1024


class _Server(uvicorn.Server):
    """uvicorn's server, without its signal handlers: the gateway drains first."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def serve(options: GatewayOptions, metrics: Metrics, build: Callable[[], Gateway]) -> None:
    """Serve until SIGINT or SIGTERM, then drain. A second signal ends the process at once.

    Args:
        options: where to listen, and how to drain.
        metrics: the metrics of the gateway.
        build: makes the gateway, after its port is bound.

    Raises:
        StartupError: the gateway cannot start.
    """
    check_exposure(options)
    check_wyoming_exposure(options, options.insecure)
    async with AsyncExitStack() as stack:
        bound = stack.enter_context(listening_socket(options.host, options.port))
        stack.callback(metrics.serve(options.host, options.metrics_port))
        gateway = await stack.enter_async_context(build())
        if options.wyoming_port:
            await stack.enter_async_context(_serving_wyoming(options, gateway))
        ignore_present_objects()
        stack.enter_context(watching_event_loop(metrics, options.event_loop_timeout_seconds))
        stop = stop_requested(options.exit_on_stdin_close)
        server = make_server(options, gateway)
        renewal = following_certificate(options, gateway.tls, server.config.ssl)
        await stack.enter_async_context(renewal)
        serving = asyncio.create_task(server.serve([bound]))
        scheme = "https" if options.tls_cert else "http"
        port = bound.getsockname()[1]
        _log.info("the gateway listens on %s://%s:%d", scheme, options.host, port)
        stopping = asyncio.create_task(stop.wait())
        await asyncio.wait((stopping, serving), return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        _log.info("the gateway drains %d requests", gateway.drain.running)
        await gateway.drain.drain(options.drain_seconds)
        server.should_exit = True
        await serving


@asynccontextmanager
async def _serving_wyoming(options: GatewayOptions, gateway: Gateway) -> AsyncIterator[None]:
    host, port = options.wyoming_host, options.wyoming_port
    with listening_socket(host, port, "--wyoming-port", "--wyoming-host") as bound:
        async with serving_wyoming(bound, gateway.backend, gateway.drain):
            _log.info("Wyoming clients connect to tcp://%s:%d", host, port)
            yield


def make_server(options: GatewayOptions, gateway: Gateway) -> uvicorn.Server:
    """Make the HTTP server of a gateway. It leaves signals alone."""
    config = uvicorn.Config(
        gateway.app,
        log_config=None,
        access_log=False,
        server_header=False,
        lifespan="off",
        timeout_graceful_shutdown=_FINAL_MESSAGE_S,
        timeout_keep_alive=int(options.keep_alive_seconds),
        ssl_certfile=options.tls_cert or None,
        ssl_keyfile=options.tls_key or None,
        forwarded_allow_ips=gateway.proxies.networks,
        ws_max_size=_MAX_MESSAGE_BYTES,
        h11_max_incomplete_event_size=_MAX_HEADER_BYTES,
    )
    config.load()
    return _Server(config)
