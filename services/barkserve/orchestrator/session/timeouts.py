"""Iterates over an async iterator with a time limit for each item."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from typing import TypeVar

Item = TypeVar("Item")


async def with_timeouts(
    items: AsyncIterator[Item], timeout_s: Callable[[], float | None]
) -> AsyncGenerator[Item | None, None]:
    """Yield each item, and None each time that the time limit passes before the next item.

    Args:
        items: the items; the caller closes them.
        timeout_s: returns the seconds to wait for the next item, as of now; None for no limit.

    Raises:
        Exception: what the items raise.
    """
    pending: asyncio.Future[Item] | None = None
    try:
        while True:
            pending = pending or asyncio.ensure_future(anext(items))
            await asyncio.wait({pending}, timeout=timeout_s())
            if not pending.done():
                yield None
                continue
            try:
                item = pending.result()
            except StopAsyncIteration:
                return
            pending = None
            yield item
    finally:
        if pending is not None:
            pending.cancel()  # no effect if it is done; its end or failure must be retrieved then
            await asyncio.gather(pending, return_exceptions=True)
