"""Publishes a service: its handlers, health (grpc.health.v1), load reports and reflection."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from barkserve.config import ServiceOptions
from barkserve.external import orca_pb2_grpc
from barkserve.serving import orca
from barkserve.serving.grpc_options import SERVER_OPTIONS
from barkserve.serving.health import HealthServicer
from barkserve.serving.orca import LoadReporter
from barkserve.serving.ports import bind
from barkserve.serving.service import Service, register_with

_MAX_HEALTH_BYTES = 4096
"""Size of a request on the port that serves only health."""


@dataclass(frozen=True)
class Published:
    """A service on a server, with its health and its load reports."""

    service: Service
    health: health.aio.HealthServicer
    reporter: LoadReporter

    async def set_draining(self, *, alive: bool) -> None:
        """Report that the service accepts no further stream.

        Args:
            alive: whether the process itself stays SERVING. One that drains must not be killed.
        """
        names = [service.full_name for service in self.service.all_services]
        for name in names if alive else ("", *names):
            await self.health.set(name, health_pb2.HealthCheckResponse.NOT_SERVING)
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
    for name in ("", *own):
        await health_servicer.set(name, health_pb2.HealthCheckResponse.SERVING)
    return Published(service, health_servicer, reporter)


@asynccontextmanager
async def health_server(
    options: ServiceOptions,
) -> AsyncIterator[Callable[[health.aio.HealthServicer], Awaitable[None]]]:
    """The plaintext server on --health-port, if that option is set.

    Yields:
        A function that starts the server, given the health servicer. The port is bound before, so
        that a port in use is an error before the model is loaded.
    """
    server_options = (*SERVER_OPTIONS, ("grpc.max_receive_message_length", _MAX_HEALTH_BYTES))
    server = grpc.aio.server(options=server_options)
    if options.health_port:
        bind(server, options.host, options.health_port, option="--health-port")

    async def start(servicer: health.aio.HealthServicer) -> None:
        health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
        if options.health_port:
            await server.start()

    try:
        yield start
    finally:
        await server.stop(grace=None)
