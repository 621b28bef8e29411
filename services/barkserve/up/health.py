"""Asks services about their health."""

import asyncio
from contextlib import suppress

import grpc
from grpc_health.v1 import health_pb2

from barkserve.serving.grpc_options import NO_PROXY
from barkserve.serving.health import health_check
from barkserve.up.plan import PlannedService

_POLL_S = 0.05
_CHECKS = 6


async def wait_until_healthy(service: PlannedService) -> None:
    """Wait until a service is healthy."""
    async with _channel(service) as channel:
        check = health_check(channel)
        while True:
            with suppress(grpc.aio.AioRpcError):
                response = await check(health_pb2.HealthCheckRequest(), timeout=1.0)
                if response.status == health_pb2.HealthCheckResponse.SERVING:
                    return
            await asyncio.sleep(_POLL_S)


async def wait_until_hung(service: PlannedService, limit_s: float) -> None:
    """Wait until a service has not answered a health check for a time.

    Several checks in a row must fail. A machine that was suspended fails one of them at most, and
    so does a process that was stopped and continues.

    Args:
        service: the service.
        limit_s: the time.
    """
    interval_s = limit_s / _CHECKS
    failed = 0
    async with _channel(service) as channel:
        check = health_check(channel)
        while failed < _CHECKS:
            pause = asyncio.create_task(asyncio.sleep(interval_s))
            try:
                await check(health_pb2.HealthCheckRequest(), timeout=interval_s)
                failed = 0
            except grpc.aio.AioRpcError as error:
                # Other errors, such as an expired certificate, do not mean that it hangs.
                failed += error.code() is grpc.StatusCode.DEADLINE_EXCEEDED
            await pause


def _channel(service: PlannedService) -> grpc.aio.Channel:
    if service.tls is not None:
        return service.tls.own_channel(service.address)
    return grpc.aio.insecure_channel(service.address, options=(NO_PROXY,))
