"""Memory of the processes while a fault lasts."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from tools.chaos.replica import Replica

_SAMPLE_S = 0.25


class MemoryGrowth:
    """The largest growth of any process.

    Args:
        replicas: the processes. One that starts meanwhile is not measured.
    """

    def __init__(self, replicas: list[Replica]) -> None:
        self._replicas = replicas
        self._first: dict[int, int] = {replica.pid: replica.rss_bytes() for replica in replicas}
        self.bytes = 0

    def sample(self) -> None:
        """Read the memory of the processes that have run from the begin on."""
        for replica in self._replicas:
            if first := self._first.get(replica.pid):
                self.bytes = max(self.bytes, replica.rss_bytes() - first)


@asynccontextmanager
async def measured_growth(replicas: list[Replica]) -> AsyncIterator[MemoryGrowth]:
    """Measure while the context is open."""
    growth = MemoryGrowth(replicas)

    async def sample() -> None:
        while True:
            growth.sample()
            await asyncio.sleep(_SAMPLE_S)

    sampling = asyncio.create_task(sample())
    try:
        yield growth
    finally:
        sampling.cancel()
        with suppress(asyncio.CancelledError):
            await sampling
