"""Publishes a service: its handlers, health (grpc.health.v1), load reports and reflection."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from barkserve.config.process import ServiceOptions
from barkserve.external import orca_pb2_grpc
from barkserve.serving import orca
from barkserve.serving.grpc_options import SERVER_OPTIONS
from barkserve.serving.health import HealthServicer
from barkserve.serving.interceptors import RpcInterceptor
from barkserve.serving.orca import LoadReporter
from barkserve.serving.ports import bind
from barkserve.serving.service import Service, register_with

_log = logging.getLogger(__name__)

_SERVING = health_pb2.HealthCheckResponse.SERVING
_NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
_READINESS_INTERVAL_S = 0.25


@dataclass(frozen=True)
class Published:
    """A service on a server, with its health and its load reports."""

    service: Service
    health: HealthServicer
    reporter: LoadReporter

    async def follow_readiness(self) -> None:
        """Keep the health of each service at whether it can serve streams, until cancelled."""
        was_ready, before = False, ""
        while True:
            obstacle = self.service.obstacle()
            if obstacle != before:
                _log.log(
                    logging.WARNING if was_ready else logging.INFO,
                    "%s is %s",
                    self.service.full_name,
                    f"not ready: {obstacle}" if obstacle else "ready",
                )
            was_ready, before = was_ready or not obstacle, obstacle
            for service in self.service.all_services:
                status = _NOT_SERVING if service.obstacle() else _SERVING
                await self.health.set(service.full_name, status)
            await asyncio.sleep(_READINESS_INTERVAL_S)

    async def set_draining(self, *, alive: bool) -> None:
        """Report that the service accepts no further stream.

        Args:
            alive: whether the process itself stays SERVING. One that drains must not be killed.
        """
        names = [service.full_name for service in self.service.all_services]
        for name in names if alive else ("", *names):
            await self.health.set(name, _NOT_SERVING)
        self.reporter.drain()


async def publish(
    server: grpc.aio.Server, service: Service, with_reflection: bool = True
) -> Published:
    """Add a service to a server that has not started.

    In grpc.health.v1, "" is whether the process is alive, and the service's full name is whether
    it accepts streams.

    Args:
        server: the server.
        service: the service, which has started.
        with_reflection: whether clients can ask which services and messages there are.
    """
    for each in service.all_services:
        each.register(server)
    reporter = LoadReporter(service.load)
    register_with(orca_pb2_grpc.add_OpenRcaServiceServicer_to_server, reporter)(server)
    health_servicer = HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(health_servicer, server)
    own = [each.full_name for each in service.all_services]
    if with_reflection:
        names = (*own, orca.SERVICE_NAME, health.SERVICE_NAME, reflection.SERVICE_NAME)
        reflection.enable_server_reflection(names, server)
    await health_servicer.set("", _SERVING)
    for each in service.all_services:
        await health_servicer.set(each.full_name, _NOT_SERVING if each.obstacle() else _SERVING)
    return Published(service, health_servicer, reporter)


@asynccontextmanager
async def health_server(
    options: ServiceOptions, interceptor: RpcInterceptor
) -> AsyncIterator[Callable[[HealthServicer], Awaitable[None]]]:
    """The plaintext server on --health-port, if that option is set.

    Args:
        options: where to listen.
        interceptor: refuses malformed requests, as on the main port.

    Yields:
        A function that starts the server, given the health servicer. The port is bound before, so
        that a port in use is an error before the model is loaded.
    """
    server = grpc.aio.server(interceptors=[interceptor], options=SERVER_OPTIONS)
    if options.health_port:
        bind(server, options.host, options.health_port, option="--health-port")

    async def start(servicer: HealthServicer) -> None:
        health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
        if options.health_port:
            await server.start()

    try:
        yield start
    finally:
        await server.stop(grace=None)
