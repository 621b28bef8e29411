"""Keeps a stream of messages, to send them again when a replica is replaced. Knows no messages."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from typing import Generic, TypeVar

from barkserve.orchestrator.stages.pull_task import create_pull_task

Message = TypeVar("Message")


class Replay(Generic[Message]):
    """Reads a source once, for any number of readers; each sees all messages from the first.

    Cancelling a reader does not disturb the source. All messages stay in memory, except for those
    that `drop_first` dropped.

    Args:
        source: the messages.
    """

    def __init__(self, source: AsyncIterator[Message]) -> None:
        self._source = source
        self._kept: deque[Message] = deque()
        self._dropped = 0
        self._pull: asyncio.Task[bool] | None = None

    def start(self) -> None:
        """Read the first message before a reader asks for it."""
        if self._pull is None:
            self._pull = create_pull_task(self._keep_next())

    async def read(self) -> AsyncIterator[Message]:
        """Yield all messages that are kept, then those that follow.

        Raises:
            Exception: what the source raises.
        """
        index = self._dropped
        while index < self._dropped + len(self._kept) or await self._more():
            yield self._kept[index - self._dropped]
            index += 1

    def drop_first(self) -> None:
        """Drop the first message; all readers must have read it."""
        self._kept.popleft()
        self._dropped += 1

    def close(self) -> None:
        """Stop reading the source."""
        if self._pull is not None:
            self._pull.cancel()

    async def _more(self) -> bool:
        """Wait for one more message; False when the source has ended."""
        self.start()
        assert self._pull is not None
        return await asyncio.shield(self._pull)

    async def _keep_next(self) -> bool:
        async for message in self._source:
            self._kept.append(message)
            self._pull = None
            return True
        return False  # the finished task is kept, so later calls of _more return False too
