"""Asks services about their health."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from enum import Enum, auto
from urllib.error import HTTPError, URLError
from urllib.request import HTTPSHandler, ProxyHandler, build_opener

import grpc
from grpc_health.v1 import health_pb2

from barkserve.serving.grpc_options import NO_PROXY
from barkserve.serving.health import health_check
from barkserve.up.plan import PlannedService

_POLL_S = 0.05
_CHECKS = 6


class Health(Enum):
    """What a health check found."""

    SERVING = auto()
    NOT_SERVING = auto()
    UNREACHABLE = auto()  # or the answer cannot be read, because of an expired certificate
    SILENT = auto()  # no answer in time


Check = Callable[[float], Awaitable[Health]]
"""Checks a service once, with a timeout in seconds."""


async def wait_until_healthy(service: PlannedService) -> None:
    """Wait until a service is healthy."""
    async with _checking(service) as check:
        while True:
            if await check(1.0) is Health.SERVING:
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
    async with _checking(service) as check:
        while failed < _CHECKS:
            pause = asyncio.create_task(asyncio.sleep(interval_s))
            health = await check(interval_s)
            if health is Health.SILENT:
                failed += 1
            elif health is not Health.UNREACHABLE:
                failed = 0
            await pause


@asynccontextmanager
async def _checking(service: PlannedService) -> AsyncIterator[Check]:
    if service.is_http:
        yield _http_check(service)
        return
    async with _channel(service) as channel:
        yield _grpc_check(channel)


def _grpc_check(channel: grpc.aio.Channel) -> Check:
    call = health_check(channel)

    async def check(timeout_s: float) -> Health:
        try:
            response = await call(health_pb2.HealthCheckRequest(), timeout=timeout_s)
        except grpc.aio.AioRpcError as error:
            is_silent = error.code() is grpc.StatusCode.DEADLINE_EXCEEDED
            return Health.SILENT if is_silent else Health.UNREACHABLE
        is_serving = response.status == health_pb2.HealthCheckResponse.SERVING
        return Health.SERVING if is_serving else Health.NOT_SERVING

    return check


def _http_check(service: PlannedService) -> Check:
    """Check /readyz of the gateway. The certificate is our own, whatever name it has."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    opener = build_opener(ProxyHandler({}), HTTPSHandler(context=context))
    url = f"{'https' if service.tls else 'http'}://{service.address}/readyz"

    def ask(timeout_s: float) -> Health:
        try:
            opener.open(url, timeout=timeout_s).close()
        except HTTPError as error:
            error.close()
            return Health.NOT_SERVING
        except TimeoutError:
            return Health.SILENT
        except OSError as error:
            is_silent = isinstance(error, URLError) and isinstance(error.reason, TimeoutError)
            return Health.SILENT if is_silent else Health.UNREACHABLE
        return Health.SERVING

    return lambda timeout_s: asyncio.to_thread(ask, timeout_s)


def _channel(service: PlannedService) -> grpc.aio.Channel:
    if service.tls is not None:
        return service.tls.own_channel(service.own_address)
    return grpc.aio.insecure_channel(service.own_address, options=(NO_PROXY,))
