"""One context of a StreamingSynthesize call, without its waiting: what it sends, what came of it.

Knows no connection: messages leave through a function that is given, and responses are handed in.
"""

from collections import deque
from collections.abc import Callable
from typing import Unpack

from barkclient._internal.transcript import Progress
from barkclient.errors import BarkClientError
from barkclient.options import StreamOptions, build_config
from barkclient.responses import AudioChunk
from barkserve.v1 import speech_pb2

Request = speech_pb2.StreamingSynthesizeRequest
Post = Callable[[Request], None]


class ContextState(Progress):
    """Text goes in with `send`, in pieces cut anywhere; audio comes out of iterating.

    None of its methods waits. Text that is sent after `cancel`, or after the context has failed, is
    dropped: who writes it need not know yet.
    """

    def __init__(self, context_id: str, target: str, post: Post) -> None:
        super().__init__(target)
        self.context_id = context_id
        self._post = post
        self._chunks: deque[AudioChunk] = deque()
        self._failure: BarkClientError | None = None
        self._cancelled = False
        self._ended = False
        self._flushes = 0

    @property
    def flushed(self) -> tuple[str, ...]:
        """The flushes whose audio has all come, in order."""
        return tuple(self._transcript.flushed)

    def open(self, **options: Unpack[StreamOptions]) -> None:
        """Sends the options. Raises InvalidRequest for those that are wrong."""
        self._post(Request(context_id=self.context_id, config=build_config(**options)))

    def send(self, text: str | bytes) -> None:
        """More text; bytes are UTF-8 and may be cut inside a character."""
        if self._ended:
            raise RuntimeError(f"context {self.context_id!r} has ended: open another")
        if isinstance(text, bytes):
            self._say(Request(utf8=text))
        else:
            self._say(Request(text=text))

    def flush(self) -> str:
        """Speak all text now; returns the id that `flushed` will hold once its audio has come."""
        self._flushes += 1
        flush_id = str(self._flushes)
        self._say(Request(flush=speech_pb2.Flush(flush_id=flush_id)))
        return flush_id

    def end(self) -> None:
        """No more text."""
        if not self._ended:
            self._say(Request(end=speech_pb2.End()))
        self._ended = True

    def cancel(self) -> None:
        """Stop speaking. Audio that has not been read is dropped; `finished.sample_count` then says
        how much the server had sent.
        """
        self._say(Request(cancel=speech_pb2.Cancel()))
        self._cancelled = True
        self._chunks.clear()

    def push(self, response: speech_pb2.StreamingSynthesizeResponse) -> None:
        """Takes the next response of this context."""
        try:
            chunk = self._transcript.push(response)
        except BarkClientError as error:
            self._failure = error
            return
        if chunk is not None and not self._cancelled:
            self._chunks.append(chunk)

    @property
    def _over(self) -> bool:
        return self._failure is not None or self._transcript.finished is not None

    def _say(self, request: Request) -> None:
        if not self._cancelled and not self._over:
            request.context_id = self.context_id
            self._post(request)

    def _take(self) -> AudioChunk | None:
        """A chunk that has come already; None at the end, or if it `waits`. Raises what failed."""
        if self._chunks:
            return self._chunks.popleft()
        if self._failure is not None:
            raise self._failure
        return None

    def _flushing(self, flush_id: str) -> bool:
        """Whether a flush must be waited for."""
        return flush_id not in self.flushed and not self._over

    @property
    def waits(self) -> bool:
        """Whether a reader must wait for the server."""
        return not self._chunks and not self._over
