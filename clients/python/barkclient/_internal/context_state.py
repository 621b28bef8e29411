"""State of one context of a StreamingSynthesize call: text to send and audio that has arrived.

It performs no I/O. Requests go to a callback; responses are pushed in.
"""

from collections import deque
from collections.abc import Callable
from typing import Unpack

from barkclient._internal.text_source import text_request
from barkclient._internal.transcript import SynthesisState
from barkclient.errors import BarkClientError
from barkclient.options import StreamOptions, build_config, resumed_config
from barkclient.responses import AudioChunk
from barkserve.v1 import speech_pb2

Request = speech_pb2.StreamingSynthesizeRequest
Send = Callable[[list[Request], Request], None]


class ContextState(SynthesisState):
    """One context: `send` takes text that may be cut anywhere; iteration yields audio.

    No method blocks. Text that is sent after `cancel` or after a failure is dropped, because the
    sender may not know of it yet.

    Args:
        context_id: unique within the call.
        target: the server's address, for error messages.
        send: adds a request to a list and sends it, at once for other threads; must not block.
    """

    def __init__(self, context_id: str, target: str, send: Send) -> None:
        super().__init__(target)
        self.context_id = context_id
        self._send_request = send
        self._sent: list[Request] = []  # what another call must get again
        self._chunks: deque[AudioChunk] = deque()
        self._failure: BarkClientError | None = None
        self._cancelled = False
        self._ended = False
        self._flush_count = 0

    @property
    def flushed(self) -> tuple[str, ...]:
        """Ids of the flushes whose audio has arrived, in order."""
        return tuple(self._transcript.flushed)

    def open(self, **options: Unpack[StreamOptions]) -> None:
        """Send the options.

        Raises:
            InvalidRequest: an option is wrong.
        """
        request = Request(context_id=self.context_id, config=build_config(**options))
        self._send_request(self._sent, request)

    def send(self, text: str | bytes) -> None:
        """Send more text. Bytes are UTF-8 and may be cut inside a character.

        Raises:
            InvalidRequest: it is not text.
            RuntimeError: `end` was called.
        """
        if self._ended:
            raise RuntimeError(f"context {self.context_id!r} has ended: open another")
        self._send_if_open(text_request(text))

    def flush(self) -> str:
        """Speak all text now, without waiting for the end of a sentence.

        Returns:
            An id. `flushed` contains it when the audio has arrived.
        """
        self._flush_count += 1
        flush_id = str(self._flush_count)
        self._send_if_open(Request(flush=speech_pb2.Flush(flush_id=flush_id)))
        return flush_id

    def end(self) -> None:
        """End the text. Audio of what was sent still arrives."""
        if not self._ended:
            self._send_if_open(Request(end=speech_pb2.End()))
        self._ended = True

    def cancel(self) -> None:
        """Stop speaking and drop the audio that has not been read.

        `finished.sample_count` then says how many samples the server had sent.
        """
        self._send_if_open(Request(cancel=speech_pb2.Cancel()))
        self._cancelled = True
        self._chunks.clear()

    def requests_again(self) -> list[Request]:
        """Return the requests that continue this context in another call, and expect that call."""
        done, resume = {*self.flushed}, self._transcript.resume()
        again = Request(context_id=self.context_id)
        again.config.CopyFrom(resumed_config(self._sent[0].config, resume))
        return [again, *(r for r in self._sent[1:] if r.flush.flush_id not in done)]

    def push(self, response: speech_pb2.StreamingSynthesizeResponse) -> None:
        """Process the next response of this context."""
        try:
            chunk = self._transcript.push(response)
        except BarkClientError as error:
            self._failure = error
            return
        if chunk is not None and not self._cancelled:
            self._chunks.append(chunk)

    @property
    def must_wait(self) -> bool:
        """Whether a reader must wait for the server."""
        return not self._chunks and not self._over

    @property
    def _over(self) -> bool:
        return self._failure is not None or self._transcript.finished is not None

    def _send_if_open(self, request: Request) -> None:
        if not self._cancelled and not self._over:
            request.context_id = self.context_id
            self._send_request(self._sent, request)

    def _take(self) -> AudioChunk | None:
        """Return a chunk that has arrived, None at the end. Raises the context's failure."""
        if self._chunks:
            return self._chunks.popleft()
        if self._failure is not None:
            raise self._failure
        return None

    def _flush_pending(self, flush_id: str) -> bool:
        return flush_id not in self.flushed and not self._over
