"""Waits until the services that `barkserve up` started are ready."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress

import grpc
from grpc_health.v1 import health_pb2

from barkserve.errors import StartupError
from barkserve.serving.grpc_options import NO_PROXY
from barkserve.serving.health import health_check
from barkserve.up.plan import PlannedService

_POLL_S = 0.05


async def wait_until_ready(
    planned: Sequence[PlannedService], timeout_s: float, say: Callable[[str], None]
) -> None:
    """Wait for one service after the other, and report each one that is ready.

    Args:
        planned: the services.
        timeout_s: time that all of them have together.
        say: shows a line of progress.

    Raises:
        StartupError: a service is not ready in time.
    """
    waiting_for = ""
    try:
        async with asyncio.timeout(timeout_s):
            for number, service in enumerate(planned, 1):
                waiting_for = service.name
                await _wait_until_healthy(service)
                say(f"[{number}/{len(planned)}] {service.name} is ready")
    except TimeoutError:
        raise StartupError(
            f"services not ready after {timeout_s:g} s: {waiting_for} is still loading. Raise "
            "--startup-seconds, or see its log with --log-level info"
        ) from None


async def _wait_until_healthy(service: PlannedService) -> None:
    async with _channel(service) as channel:
        check = health_check(channel)
        while True:
            with suppress(grpc.aio.AioRpcError):
                response = await check(health_pb2.HealthCheckRequest(), timeout=1.0)
                if response.status == health_pb2.HealthCheckResponse.SERVING:
                    return
            await asyncio.sleep(_POLL_S)


def _channel(service: PlannedService) -> grpc.aio.Channel:
    if service.tls is not None:
        return service.tls.own_channel(service.address)
    return grpc.aio.insecure_channel(service.address, options=(NO_PROXY,))
