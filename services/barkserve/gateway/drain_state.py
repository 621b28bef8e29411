"""The requests that run, and whether new ones are refused."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager


class DrainState:
    """Counts the requests of one gateway."""

    def __init__(self) -> None:
        self.draining = False
        self._running = 0
        self._idle = asyncio.Event()
        self._idle.set()

    @contextmanager
    def counted(self) -> Iterator[None]:
        """Count one request for the duration of the block."""
        self._running += 1
        self._idle.clear()
        try:
            yield
        finally:
            self._running -= 1
            if not self._running:
                self._idle.set()

    @property
    def running(self) -> int:
        """Requests that run now."""
        return self._running

    async def drain(self, timeout_s: float) -> None:
        """Refuse new requests and wait until the running ones finish, at most `timeout_s`."""
        self.draining = True
        try:
            async with asyncio.timeout(timeout_s):
                await self._idle.wait()
        except TimeoutError:
            pass
