"""grpc.health.v1: the servicer, and the call of a client with types that the stub lacks."""

from typing import NoReturn

import grpc
from grpc_health.v1 import health, health_pb2

from barkserve.serving.rpc_context import RpcContext

HealthCheck = grpc.aio.UnaryUnaryMultiCallable[
    health_pb2.HealthCheckRequest, health_pb2.HealthCheckResponse
]


def health_check(channel: grpc.aio.Channel) -> HealthCheck:
    """Return the channel's Check method."""
    return channel.unary_unary(
        "/grpc.health.v1.Health/Check",
        request_serializer=health_pb2.HealthCheckRequest.SerializeToString,
        response_deserializer=health_pb2.HealthCheckResponse.FromString,
    )


class HealthServicer(health.aio.HealthServicer):
    """grpc.health.v1.Health. The library's servicer logs a traceback for each List."""

    async def List(self, request: object, context: RpcContext) -> NoReturn:
        """Refuse the call. All names are in the documentation."""
        await context.abort(grpc.StatusCode.UNIMPLEMENTED, "List is not supported: call Check")
