"""grpc.health.v1: the servicer, and the call of a client with types that the stub lacks."""

import asyncio
from contextlib import suppress
from typing import NoReturn

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from barkserve.serving.rpc_context import RpcContext

HealthCheck = grpc.aio.UnaryUnaryMultiCallable[
    health_pb2.HealthCheckRequest, health_pb2.HealthCheckResponse
]

MAX_WATCHES = 1000
"""Watch calls open at once. Each of them costs memory for as long as its client likes."""


def health_check(channel: grpc.aio.Channel) -> HealthCheck:
    """Return the channel's Check method."""
    return channel.unary_unary(
        "/grpc.health.v1.Health/Check",
        request_serializer=health_pb2.HealthCheckRequest.SerializeToString,
        response_deserializer=health_pb2.HealthCheckResponse.FromString,
    )


class HealthServicer(health_pb2_grpc.HealthServicer):
    """grpc.health.v1.Health.

    The library's servicer keeps every name that a client watches, does not limit the watches, and
    logs a traceback for each List.
    """

    def __init__(self) -> None:
        self._statuses: dict[str, int] = {}
        self._changed = asyncio.Condition()
        self._watches = 0

    async def set(self, service: str, status: int) -> None:
        """Set the status of a service."""
        if self._status(service) == status:
            return
        async with self._changed:
            self._statuses[service] = status
            self._changed.notify_all()

    async def Check(
        self, request: health_pb2.HealthCheckRequest, context: RpcContext
    ) -> health_pb2.HealthCheckResponse:
        """Return the status of a service."""
        if request.service not in self._statuses:
            await context.abort(
                grpc.StatusCode.NOT_FOUND, 'unknown service: "" is the name of the whole process'
            )
        return health_pb2.HealthCheckResponse(status=self._status(request.service))

    async def Watch(self, request: health_pb2.HealthCheckRequest, context: RpcContext) -> None:
        """Write the status of a service now and after each change, until the client leaves."""
        if self._watches >= MAX_WATCHES:
            await context.abort(
                grpc.StatusCode.RESOURCE_EXHAUSTED,
                f"{MAX_WATCHES} Watch calls are open, which is the limit: call Check",
            )
        self._watches += 1
        try:
            with suppress(grpc.aio.InternalError):  # a write after the client has left
                await self._write_changes(request.service, context)
        finally:
            self._watches -= 1

    async def List(self, request: object, context: RpcContext) -> NoReturn:
        """Refuse the call. All names are in the documentation."""
        await context.abort(grpc.StatusCode.UNIMPLEMENTED, "List is not supported: call Check")

    async def _write_changes(self, service: str, context: RpcContext) -> NoReturn:
        while True:
            status = self._status(service)
            await context.write(health_pb2.HealthCheckResponse(status=status))
            async with self._changed:
                while self._status(service) == status:
                    await self._changed.wait()

    def _status(self, service: str) -> int:
        return self._statuses.get(service, health_pb2.HealthCheckResponse.SERVICE_UNKNOWN)
