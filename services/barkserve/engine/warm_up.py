"""Runs a service's model once before anybody waits for it, and says what it keeps in memory.

A first pass makes kernels, buffers and threads that later ones find. Knows no stage.
"""

import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

_log = logging.getLogger(__name__)

Start = Callable[[], Awaitable[None]]


def started_warm(start: Start, generate: Callable[[], AsyncIterator[Any]], memory: str) -> Start:
    """A start that also runs one small generation, of which nothing is kept.

    Args:
        start: starts the engine or the batcher.
        generate: begins a generation.
        memory: what the service keeps, for the log.
    """

    async def start_warm() -> None:
        await start()
        began = time.perf_counter()
        async for _ in generate():
            pass
        _log.info("%s; warm after %.2f s", memory, time.perf_counter() - began)

    return start_warm


async def once(item: Any) -> AsyncIterator[Any]:
    """A stream of one item."""
    yield item
