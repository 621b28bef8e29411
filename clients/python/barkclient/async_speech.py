"""Text that is spoken while it is written: an asynchronous StreamingSynthesize call.

Responses are read only when a context's reader asks for more, so a listener who stops reading is
felt by the server; audio for other contexts that comes meanwhile waits for their readers.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Any, Self, Unpack

from barkclient._internal.closing import AsyncClosing
from barkclient._internal.context_state import ContextState, Request
from barkclient._internal.context_table import Conversation
from barkclient.errors import ServerError, map_errors
from barkclient.options import StreamOptions
from barkclient.responses import AudioChunk


class AsyncSpeechStream(AsyncClosing):
    """One call with any number of contexts. Closing or dropping it cancels them all.

    Args:
        method: the stub's StreamingSynthesize.
        timeout: seconds the whole call may take, None for no limit.
        target: the server, for errors.
        owner: kept, for it holds the channel open.
    """

    def __init__(self, method: Any, timeout: float | None, target: str, owner: object) -> None:
        self._outgoing: asyncio.Queue[Request | None] = asyncio.Queue()
        self._call = method(_requests(self._outgoing), timeout=timeout)
        self._responses: AsyncIterator[Any] = aiter(self._call)
        self._conversation: Conversation[AsyncSpeechContext] = Conversation()
        self._pull: asyncio.Task[None] | None = None
        self._target = target
        self._owner = owner

    def speak(self, **options: Unpack[StreamOptions]) -> "AsyncSpeechContext":
        """Opens a context: a voice of its own, text and audio of its own."""
        context = AsyncSpeechContext(self, self._conversation.new_id(), self._target)
        context.open(**options)
        self._conversation.add(context)
        return context

    def end(self) -> None:
        """No more contexts, and no more text in those that are open."""
        self._outgoing.put_nowait(None)

    async def aclose(self) -> None:
        """Stops all that is being spoken."""
        self._call.cancel()

    def __del__(self) -> None:
        self._call.cancel()

    def post(self, request: Request) -> None:
        """Sends a message; never waits."""
        self._outgoing.put_nowait(request)

    async def more(self) -> None:
        """Waits for one more response of any context. A reader who is cancelled meanwhile takes
        nothing from the others: gRPC would cancel the call.
        """
        if self._pull is None:
            self._pull = asyncio.create_task(self._pull_one())
            self._pull.add_done_callback(_looked_at)
        with map_errors(self._target):
            await asyncio.shield(self._pull)

    async def _pull_one(self) -> None:
        """A pull that fails stays: every further reader gets its error."""
        async for response in self._responses:
            self._conversation.push(response)
            self._pull = None
            return
        raise ServerError("the server ended the stream without finishing it")


class AsyncSpeechContext(ContextState):
    """One context: `send` text, iterate over its audio. Leaving it early cancels it, and not the
    others.
    """

    def __init__(self, stream: AsyncSpeechStream, context_id: str, target: str) -> None:
        super().__init__(context_id, target, stream.post)
        self._stream = stream

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> AudioChunk:
        while self.waits:
            await self._stream.more()
        chunk = self._take()
        if chunk is None:
            raise StopAsyncIteration
        return chunk

    async def read(self) -> AudioChunk:
        """All audio that has not been read yet, as one chunk."""
        return self._join([chunk async for chunk in self])

    async def wait_flushed(self, flush_id: str) -> None:
        """Waits until all audio before a flush has come; it is still there to be read."""
        while self._flushing(flush_id):
            await self._stream.more()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        self.cancel()


async def _requests(outgoing: "asyncio.Queue[Request | None]") -> AsyncIterator[Request]:
    while (request := await outgoing.get()) is not None:
        yield request


def _looked_at(pull: "asyncio.Task[None]") -> None:
    """A failure that nobody waits for any more is no news."""
    if not pull.cancelled():
        pull.exception()
