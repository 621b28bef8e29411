"""Streaming text input for code without an event loop; see async_speech.

Different threads may write to a context and read from it.
"""

import queue
import threading
from collections.abc import Callable, Iterator
from typing import Self, Unpack

import grpc

from barkclient._internal.closing import Closing
from barkclient._internal.context_state import ContextState, Request
from barkclient._internal.context_table import ContextTable
from barkclient._internal.response_stream import ResponseStream
from barkclient.errors import ServerError, map_errors
from barkclient.options import StreamOptions
from barkclient.responses import AudioChunk
from barkserve.v1 import speech_pb2

Response = speech_pb2.StreamingSynthesizeResponse


class SpeechStream(Closing):
    """One call with any number of contexts; see AsyncSpeechStream."""

    def __init__(
        self,
        method: "grpc.StreamStreamMultiCallable[Request, Response]",
        timeout: float | None,
        target: str,
        owner: object,
    ) -> None:
        self._outgoing: queue.SimpleQueue[Request | None] = queue.SimpleQueue()
        self._call: ResponseStream[Response] = method(_requests(self._outgoing), timeout=timeout)
        self._contexts: ContextTable[SpeechContext] = ContextTable()
        self._reading = threading.Lock()
        self._target = target
        self._owner = owner

    def speak(self, **options: Unpack[StreamOptions]) -> "SpeechContext":
        """Open a context with its own voice, text and audio.

        Raises:
            InvalidRequest: an option is wrong.
        """
        context = SpeechContext(self, self._contexts.new_id(), self._target)
        context.open(**options)
        self._contexts.add(context)
        return context

    def end(self) -> None:
        """Send nothing more: no new contexts, and no more text in open ones."""
        self._outgoing.put(None)

    def close(self) -> None:
        """Cancel all contexts."""
        self._call.cancel()
        self._outgoing.put(None)  # ends the thread that sends

    def send_request(self, request: Request) -> None:
        """Queue a request without waiting. For contexts only."""
        self._outgoing.put(request)

    def receive(self, needed: Callable[[], bool]) -> None:
        """Wait for the next response of any context. For contexts only.

        Args:
            needed: called when this thread may read; False if another thread has meanwhile
                received what this one waits for.
        """
        with self._reading:
            if not needed():
                return
            with map_errors(self._target):
                response = next(self._call, None)
            if response is None:
                raise ServerError("the server ended the stream without finishing it")
            self._contexts.push(response)


class SpeechContext(ContextState):
    """One context: `send` text, iterate over its audio; see AsyncSpeechContext."""

    def __init__(self, stream: SpeechStream, context_id: str, target: str) -> None:
        super().__init__(context_id, target, stream.send_request)
        self._stream = stream

    def __iter__(self) -> Iterator[AudioChunk]:
        return self

    def __next__(self) -> AudioChunk:
        while self.must_wait:
            self._stream.receive(lambda: self.must_wait)
        chunk = self._take()
        if chunk is None:
            raise StopIteration
        return chunk

    def read(self) -> AudioChunk:
        """Read the remaining audio as one chunk."""
        return self._join(list(self))

    def wait_flushed(self, flush_id: str) -> None:
        """Wait until all audio before a flush has arrived. It can still be read."""
        while self._flush_pending(flush_id):
            self._stream.receive(lambda: self._flush_pending(flush_id))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.cancel()


def _requests(outgoing: "queue.SimpleQueue[Request | None]") -> Iterator[Request]:
    while (request := outgoing.get()) is not None:
        yield request
