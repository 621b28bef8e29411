"""Waits until the services that `barkserve up` started are ready."""

import asyncio
from collections.abc import Callable, Sequence

from barkserve.errors import StartupError
from barkserve.up.health import wait_until_healthy
from barkserve.up.plan import PlannedService


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
                await wait_until_healthy(service)
                say(f"[{number}/{len(planned)}] {service.name} is ready")
    except TimeoutError:
        raise StartupError(
            f"services not ready after {timeout_s:g} s: {waiting_for} is still loading. Raise "
            "--startup-seconds, or see its log with --log-level info"
        ) from None
