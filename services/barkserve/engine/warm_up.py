"""Runs a service's model once before it reports ready.

The first pass initializes kernels, buffers and threads. It therefore does all that a common request
does: it is sampled, streamed and has a voice.
"""

import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from barkserve.engine.request import SamplingParams

_log = logging.getLogger(__name__)

Start = Callable[[], Awaitable[None]]

SAMPLING = SamplingParams(temperature=0.7, top_k=50, top_p=0.95, min_eos_p=1.0)
"""Uses every way to choose a token. No token's probability exceeds 1, so it is never stopped."""


def start_with_warm_up(
    start: Start, generate: Callable[[], AsyncIterator[Any]], memory: str
) -> Start:
    """Extend a start function by one small generation whose output is dropped.

    Args:
        start: starts the engine or the batcher.
        generate: makes a generation.
        memory: memory use of the service, for the log.
    """

    async def start_warm() -> None:
        await start()
        started = time.perf_counter()
        async for _ in generate():
            pass
        _log.info("%s; warm after %.2f s", memory, time.perf_counter() - started)

    return start_warm


async def single_item(item: Any) -> AsyncIterator[Any]:
    """Yield one item."""
    yield item
