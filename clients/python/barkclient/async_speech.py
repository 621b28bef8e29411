"""Streaming text input: an asynchronous StreamingSynthesize call with several contexts.

Responses are read only when a context's reader asks for more. The server therefore notices a reader
that stops. Audio of other contexts that arrives meanwhile is kept for their readers.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable
from typing import Self, Unpack

import grpc

from barkclient._internal.closing import AsyncClosing
from barkclient._internal.context_state import ContextState, Request
from barkclient._internal.context_table import ContextTable
from barkclient._internal.option_help import documents_options
from barkclient._internal.reading import next_async_response
from barkclient._internal.reconnection import Reconnection
from barkclient.errors import BarkClientError, ServerError
from barkclient.options import StreamOptions, SynthesisOptions
from barkclient.responses import AudioChunk
from barkserve.v1 import speech_pb2

Response = speech_pb2.StreamingSynthesizeResponse


class AsyncSpeechStream(AsyncClosing):
    """One call with any number of contexts. `AsyncClient.stream` creates it.

    Closing or dropping it cancels all contexts.

    Args:
        method: StreamingSynthesize of the gRPC stub.
        reconnection: decides whether a cut call is repeated.
        target: the server's address, for error messages.
        owner: an object to keep alive: it holds the channel open.
    """

    def __init__(
        self,
        method: grpc.aio.StreamStreamMultiCallable[Request, Response],
        reconnection: Reconnection,
        target: str,
        owner: object,
    ) -> None:
        self._method = method
        self._reconnection = reconnection
        self._ended = self._closed = False
        self._start([])
        self._contexts: ContextTable[AsyncSpeechContext] = ContextTable()
        self._receiving: asyncio.Task[None] | None = None
        self._target = target
        self._owner = owner

    @documents_options(StreamOptions, SynthesisOptions)
    def speak(self, **options: Unpack[StreamOptions]) -> "AsyncSpeechContext":
        """Open a context with its own voice, text and audio.

        Raises:
            InvalidRequest: an option is wrong.
        """
        context = AsyncSpeechContext(self, self._contexts.new_id(), self._target)
        context.open(**options)
        self._contexts.add(context)
        return context

    def end(self) -> None:
        """Send nothing more: no new contexts, and no more text in open ones."""
        self._ended = True
        self._outgoing.put_nowait(None)

    async def aclose(self) -> None:
        """Cancel all contexts."""
        self._closed = True
        self._call.cancel()

    def __del__(self) -> None:
        self._call.cancel()

    def send_request(self, sent: list[Request], request: Request) -> None:
        """Queue a request without waiting, and add it to a list. For contexts only."""
        sent.append(request)
        self._outgoing.put_nowait(request)

    async def receive(self) -> None:
        """Wait for the next response of any context. For contexts only.

        Cancelling a reader here does not cancel the gRPC call: other readers still need it.
        """
        if self._receiving is None:
            self._receiving = asyncio.create_task(self._receive_one())
            self._receiving.add_done_callback(_retrieve_exception)
        await asyncio.shield(self._receiving)

    async def _receive_one(self) -> None:
        """Read one response. A failed task is kept: later readers get the same error."""
        while (response := await self._next_response()) is None:
            self._call.cancel()
            self._start(self._contexts.requests_again())
        self._contexts.push(response)
        self._receiving = None

    async def _next_response(self) -> Response | None:
        """Return the next response; None, after a delay, if the call must be repeated."""
        try:
            response = await next_async_response(self._responses, self._reconnection, self._target)
        except BarkClientError as error:
            delay_s = None if self._closed else self._reconnection.delay_s(error)
            if delay_s is None:
                raise
            await asyncio.sleep(delay_s)
            return None
        if response is None:
            raise ServerError("the server ended the stream without finishing it")
        return response

    def _start(self, requests: Iterable[Request]) -> None:
        """Call the server, beginning with these requests."""
        self._outgoing: asyncio.Queue[Request | None] = asyncio.Queue()
        for request in requests:
            self._outgoing.put_nowait(request)
        if self._ended:
            self._outgoing.put_nowait(None)
        self._call = self._method(_requests(self._outgoing), timeout=self._reconnection.left_s)
        self._responses: AsyncIterator[Response] = aiter(self._call)


class AsyncSpeechContext(ContextState):
    """One context: `send` text, iterate over its audio.

    `async with` cancels the context at its end, and no other one.
    """

    def __init__(self, stream: AsyncSpeechStream, context_id: str, target: str) -> None:
        super().__init__(context_id, target, stream.send_request)
        self._stream = stream

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> AudioChunk:
        while self.must_wait:
            await self._stream.receive()
        chunk = self._take()
        if chunk is None:
            raise StopAsyncIteration
        return chunk

    async def read(self) -> AudioChunk:
        """Read the remaining audio as one chunk."""
        return self._join([chunk async for chunk in self])

    async def wait_flushed(self, flush_id: str) -> None:
        """Wait until all audio before a flush has arrived. It can still be read."""
        while self._flush_pending(flush_id):
            await self._stream.receive()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        self.cancel()


async def _requests(outgoing: "asyncio.Queue[Request | None]") -> AsyncIterator[Request]:
    while (request := await outgoing.get()) is not None:
        yield request


def _retrieve_exception(task: "asyncio.Task[None]") -> None:
    """Mark a failure as seen, so that asyncio does not log it when no reader waits."""
    if not task.cancelled():
        task.exception()
