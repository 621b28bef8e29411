"""Text that is spoken while it is written, for code without an event loop; see async_speech.

Contexts may be written to and read from different threads.
"""

import queue
import threading
from collections.abc import Callable, Iterator
from typing import Any, Self, Unpack

from barkclient._internal.closing import Closing
from barkclient._internal.context_state import ContextState, Request
from barkclient._internal.context_table import Conversation
from barkclient.errors import ServerError, map_errors
from barkclient.options import StreamOptions
from barkclient.responses import AudioChunk


class SpeechStream(Closing):
    """One call with any number of contexts; see AsyncSpeechStream."""

    def __init__(self, method: Any, timeout: float | None, target: str, owner: object) -> None:
        self._outgoing: queue.SimpleQueue[Request | None] = queue.SimpleQueue()
        self._call = method(_requests(self._outgoing), timeout=timeout)
        self._conversation: Conversation[SpeechContext] = Conversation()
        self._reading = threading.Lock()
        self._target = target
        self._owner = owner

    def speak(self, **options: Unpack[StreamOptions]) -> "SpeechContext":
        """Opens a context: a voice of its own, text and audio of its own."""
        context = SpeechContext(self, self._conversation.new_id(), self._target)
        context.open(**options)
        self._conversation.add(context)
        return context

    def end(self) -> None:
        """No more contexts, and no more text in those that are open."""
        self._outgoing.put(None)

    def close(self) -> None:
        """Stops all that is being spoken."""
        self._call.cancel()
        self._outgoing.put(None)  # lets go of the thread that sends

    def post(self, request: Request) -> None:
        """Sends a message; never waits."""
        self._outgoing.put(request)

    def more(self, wanted: Callable[[], bool]) -> None:
        """Waits for one more response, unless another reader has brought what was wanted."""
        with self._reading:
            if not wanted():
                return
            with map_errors(self._target):
                response = next(self._call, None)
            if response is None:
                raise ServerError("the server ended the stream without finishing it")
            self._conversation.push(response)


class SpeechContext(ContextState):
    """One context: `send` text, iterate over its audio; see AsyncSpeechContext."""

    def __init__(self, stream: SpeechStream, context_id: str, target: str) -> None:
        super().__init__(context_id, target, stream.post)
        self._stream = stream

    def __iter__(self) -> Iterator[AudioChunk]:
        return self

    def __next__(self) -> AudioChunk:
        while self.waits:
            self._stream.more(lambda: self.waits)
        chunk = self._take()
        if chunk is None:
            raise StopIteration
        return chunk

    def read(self) -> AudioChunk:
        """All audio that has not been read yet, as one chunk."""
        return self._join(list(self))

    def wait_flushed(self, flush_id: str) -> None:
        """Waits until all audio before a flush has come; it is still there to be read."""
        while self._flushing(flush_id):
            self._stream.more(lambda: self._flushing(flush_id))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.cancel()


def _requests(outgoing: "queue.SimpleQueue[Request | None]") -> Iterator[Request]:
    while (request := outgoing.get()) is not None:
        yield request
