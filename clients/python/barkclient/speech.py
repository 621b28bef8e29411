"""Streaming text input for code without an event loop; see async_speech.

Different threads may write to a context and read from it.
"""

import queue
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Self, Unpack

import grpc

from barkclient._internal.closing import Closing
from barkclient._internal.context_state import ContextState, Request
from barkclient._internal.context_table import ContextTable
from barkclient._internal.option_help import documents_options
from barkclient._internal.reading import next_response
from barkclient._internal.reconnection import Reconnection
from barkclient._internal.response_stream import ResponseStream
from barkclient.errors import BarkClientError, ServerError
from barkclient.options import StreamOptions, SynthesisOptions
from barkclient.responses import AudioChunk
from barkserve.v1 import speech_pb2

Response = speech_pb2.StreamingSynthesizeResponse


class SpeechStream(Closing):
    """One call with any number of contexts; see AsyncSpeechStream."""

    def __init__(
        self,
        method: "grpc.StreamStreamMultiCallable[Request, Response]",
        reconnection: Reconnection,
        target: str,
        owner: object,
    ) -> None:
        self._method = method
        self._reconnection = reconnection
        self._ended = self._closed = False
        self._sending = threading.Lock()
        self._start([])
        self._contexts: ContextTable[SpeechContext] = ContextTable()
        self._reading = threading.Lock()
        self._target = target
        self._owner = owner

    @documents_options(StreamOptions, SynthesisOptions)
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
        with self._sending:
            self._ended = True
            self._outgoing.put(None)

    def close(self) -> None:
        """Cancel all contexts."""
        with self._sending:
            self._closed = True
            self._stop_call()

    def send_request(self, sent: list[Request], request: Request) -> None:
        """Queue a request without waiting, and add it to a list. For contexts only."""
        with self._sending:
            sent.append(request)
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
            while (response := self._next_response()) is None:
                with self._sending:
                    self._stop_call()
                    self._start(self._contexts.requests_again())
            self._contexts.push(response)

    def _next_response(self) -> Response | None:
        """Return the next response; None, after a delay, if the call must be repeated."""
        try:
            response = next_response(self._call, self._reconnection, self._target)
        except BarkClientError as error:
            delay_s = None if self._closed else self._reconnection.delay_s(error)
            if delay_s is None:
                raise
            time.sleep(delay_s)
            return None
        if response is None:
            raise ServerError("the server ended the stream without finishing it")
        return response

    def _start(self, requests: Iterable[Request]) -> None:
        """Call the server, beginning with these requests."""
        self._outgoing: queue.SimpleQueue[Request | None] = queue.SimpleQueue()
        for request in requests:
            self._outgoing.put(request)
        if self._ended:
            self._outgoing.put(None)
        self._call: ResponseStream[Response] = self._method(
            _requests(self._outgoing), timeout=self._reconnection.left_s
        )
        if self._closed:  # meanwhile, by another thread
            self._stop_call()

    def _stop_call(self) -> None:
        self._call.cancel()
        self._outgoing.put(None)  # ends the thread that sends


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
