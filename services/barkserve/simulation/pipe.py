"""Messages from one service to the next."""

import asyncio
from typing import Generic, TypeVar

Item = TypeVar("Item")


class Pipe(Generic[Item]):
    """A queue whose messages take some time. None ends it.

    Args:
        hop_s: seconds that a message takes.
    """

    def __init__(self, hop_s: float) -> None:
        self._hop_s = hop_s
        self._queue: asyncio.Queue[Item | None] = asyncio.Queue()

    def put(self, item: Item | None) -> None:
        """Send a message."""
        asyncio.get_running_loop().call_later(self._hop_s, self._queue.put_nowait, item)

    async def get(self) -> Item | None:
        """Receive the next message; None at the end."""
        return await self._queue.get()
