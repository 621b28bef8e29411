"""The health check call of grpc.health.v1, with types: the published stub has none."""

import grpc
from grpc_health.v1 import health_pb2

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
