"""Keeps quiet calls alive: proxies cut a call that sends nothing for a minute or so."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from typing import TypeVar

from barkserve.orchestrator.session.timeouts import with_timeouts

Response = TypeVar("Response")


async def with_heartbeats(
    responses: AsyncIterator[Response], interval_s: float, heartbeat: Callable[[], Response]
) -> AsyncGenerator[Response, None]:
    """Yield each response, and a heartbeat each time that none came for an interval.

    Args:
        responses: of a call; the caller closes them.
        interval_s: in seconds; 0 for no heartbeats.
        heartbeat: makes one.

    Raises:
        Exception: what the responses raise.
    """
    async with aclosing(with_timeouts(responses, lambda: interval_s or None)) as items:
        async for item in items:
            yield heartbeat() if item is None else item
