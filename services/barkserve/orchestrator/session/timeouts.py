"""Waits for what comes, and no longer than something else can wait."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from typing import TypeVar

Item = TypeVar("Item")


async def in_time(
    items: AsyncIterator[Item], due_in: Callable[[], float | None]
) -> AsyncGenerator[Item | None, None]:
    """Yields items as they come, and None whenever `due_in` has passed before the next.

    Args:
        items: what is waited for; closing them is the caller's.
        due_in: seconds that may pass without an item, as of now; None for any time.

    Raises:
        Exception: what the items raise.
    """
    arriving: asyncio.Future[Item] | None = None
    try:
        while True:
            arriving = arriving or asyncio.ensure_future(anext(items))
            await asyncio.wait({arriving}, timeout=due_in())
            if not arriving.done():
                yield None
                continue
            try:
                item = arriving.result()
            except StopAsyncIteration:
                return
            arriving = None
            yield item
    finally:
        if arriving is not None and not arriving.done():
            arriving.cancel()
            await asyncio.gather(arriving, return_exceptions=True)
