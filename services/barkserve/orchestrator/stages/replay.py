"""A stage's messages, kept while an utterance lasts, so that the next stage can be fed again from
the start.

Knows nothing of what the messages say.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from typing import Generic, TypeVar

Message = TypeVar("Message")


class Replay(Generic[Message]):
    """Reads a source once, for any number of readers; each sees all messages from the first.

    A reader that goes away in the middle of waiting does not disturb the source. Memory is that of
    one utterance's tokens, or of what `forget_first` leaves.
    """

    def __init__(self, source: AsyncIterator[Message]) -> None:
        self._source = source
        self._kept: deque[Message] = deque()
        self._forgotten = 0
        self._pull: asyncio.Task[bool] | None = None

    def start(self) -> None:
        """Read the first message, before anybody asks for it."""
        if self._pull is None:
            self._pull = asyncio.create_task(self._keep_next())

    async def read(self) -> AsyncIterator[Message]:
        """Yields all messages that are kept, waiting for those to come. Raises what the source
        raises.
        """
        index = self._forgotten
        while index < self._forgotten + len(self._kept) or await self._more():
            yield self._kept[index - self._forgotten]
            index += 1

    def forget_first(self) -> None:
        """Keep the first message no longer; all readers must have had it."""
        self._kept.popleft()
        self._forgotten += 1

    def close(self) -> None:
        """Stop reading the source."""
        if self._pull is None:
            return
        if not self._pull.cancel() and not self._pull.cancelled():
            self._pull.exception()  # whether anybody heard of it or not

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
        return False  # and stays the answer: the task is kept
