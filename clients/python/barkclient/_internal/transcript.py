"""The responses of one synthesis in order, with a check that none is missing. No I/O."""

from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

from barkclient._internal.reconnection import Reconnection
from barkclient.errors import BarkClientError, ServerError, from_status
from barkclient.responses import (
    AudioChunk,
    Finished,
    MarkTime,
    Started,
    WordTime,
    decode_audio,
    decode_finished,
    decode_marks,
    decode_started,
    decode_words,
)
from barkserve.v1 import common_pb2, speech_pb2

_CANCELLED = common_pb2.FINISH_REASON_CANCELLED

Call = TypeVar("Call")
Response = speech_pb2.SynthesizeResponse | speech_pb2.StreamingSynthesizeResponse


class Transcript:
    """What has arrived of one synthesis. A gap in the audio is an error.

    Args:
        target: the server's address, for error messages.
    """

    def __init__(self, target: str) -> None:
        self.started: Started | None = None
        self.finished: Finished | None = None
        self.words: list[WordTime] = []
        self.marks: list[MarkTime] = []
        self.flushed: list[str] = []
        self.sample_count = 0
        self._byte_count = 0
        self._segments: list[speech_pb2.SpokenSegment] = []
        self._started_message: speech_pb2.SynthesisStarted | None = None
        self._resuming = False  # the new call has not started
        self.target = target
        self._words_attached = 0  # words that were returned with a chunk

    def push(self, response: Response) -> AudioChunk | None:
        """Process the next response.

        Returns:
            The audio of an audio response, else None.

        Raises:
            ServerError: the response violates the protocol.
            BarkClientError: the response reports a failure.
        """
        kind = response.WhichOneof("response")
        if kind in ("heartbeat", None):  # a newer server may send other responses
            return None
        if isinstance(response, speech_pb2.StreamingSynthesizeResponse):
            if kind == "error":
                raise from_status(response.error, self.target)
            if kind == "flush_done":
                self.flushed.append(response.flush_done.flush_id)
                return None
        if kind == "started" and self._resuming:
            self._resuming = False  # the server has compared it with the first one
            return None
        if not self._is_expected(response):
            raise ServerError(f"the server violated the protocol: unexpected response {kind!r}")
        if kind == "started":
            self._started_message = response.started
            self.started = decode_started(response.started)
        elif kind == "finished":
            self._finish(decode_finished(response.finished))
        elif kind == "words" and self.started is not None:
            self.words += decode_words(response.words, self.started)
            self.marks += decode_marks(response.words, self.started)
        elif kind == "audio" and self.started is not None:
            return self._audio(response.audio, self.started)
        return None

    def resume(self) -> speech_pb2.Resume | None:
        """Expect a new call. Returns what it must continue after; None: nothing has arrived."""
        if self._started_message is None:
            return None
        self._resuming = True
        return speech_pb2.Resume(
            started=self._started_message,
            segments=self._segments,
            sample_count=self.sample_count,
            byte_count=self._byte_count,
            word_count=len(self.words),
            mark_count=len(self.marks),
        )

    def end(self) -> None:
        """Check that an OK stream may end here.

        Raises:
            ServerError: the synthesis has not finished.
        """
        if self.finished is None:
            raise ServerError("the server ended the stream without finishing it")

    def _is_expected(self, response: Response) -> bool:
        """`started` comes first, unless the synthesis was cancelled before it started."""
        kind = response.WhichOneof("response")
        if self.finished is not None:
            return False
        if kind == "finished" and response.finished.finish_reason == _CANCELLED:
            return True
        starts: bool = kind == "started"
        return starts == (self.started is None)

    def _audio(self, message: speech_pb2.AudioChunk, started: Started) -> AudioChunk:
        chunk = decode_audio(message, started, tuple(self.words[self._words_attached :]))
        self._words_attached = len(self.words)
        if chunk.first_sample != self.sample_count:
            found, expected = chunk.first_sample, self.sample_count
            raise ServerError(f"audio is missing: expected sample {expected}, received {found}")
        self.sample_count += chunk.sample_count
        self._byte_count += len(chunk.audio)
        self._segments += message.segments
        return chunk

    def _finish(self, finished: Finished) -> None:
        if finished.sample_count != self.sample_count:
            sent, received = finished.sample_count, self.sample_count
            raise ServerError(f"audio is missing: received {received} of {sent} samples")
        self.finished = finished


class TextSource(Protocol):
    """Text that is still being written.

    Attributes:
        failure: the exception that ended it, if any.
    """

    failure: Exception | None


class Calls(Generic[Call]):
    """The calls of one synthesis: the first one, and those that continue a cut one.

    Args:
        call: calls the server, with what has arrived (None: nothing) and a timeout in seconds
            (None: no limit).
        reconnection: decides whether a cut call is repeated.
    """

    def __init__(
        self,
        call: Callable[[speech_pb2.Resume | None, float | None], Call],
        reconnection: Reconnection,
    ) -> None:
        self._call = call
        self.reconnection = reconnection

    def start(self, resume: speech_pb2.Resume | None = None) -> Call:
        """Call the server with the time that is left."""
        return self._call(resume, self.reconnection.left_s)


class SynthesisState:
    """The part of a synthesis that performs no I/O and is the same for both clients.

    Args:
        target: the server's address, for error messages.
        source: the text, if it is still being written.
    """

    def __init__(self, target: str, source: TextSource | None = None) -> None:
        self._transcript = Transcript(target)
        self._source = source
        self._closed = False

    @property
    def started(self) -> Started:
        """What the server decided before it spoke. Known after the first chunk.

        Raises:
            RuntimeError: no chunk has been read yet.
        """
        if self._transcript.started is None:
            raise RuntimeError("the synthesis has not started: read a chunk first")
        return self._transcript.started

    @property
    def finished(self) -> Finished:
        """How the synthesis ended. Known after the last chunk.

        Raises:
            RuntimeError: there are more chunks to read.
        """
        if self._transcript.finished is None:
            raise RuntimeError("the synthesis has not finished: read all chunks first")
        return self._transcript.finished

    @property
    def words(self) -> tuple[WordTime, ...]:
        """Times of the words spoken so far. Empty without the option `word_times`."""
        return tuple(self._transcript.words)

    @property
    def marks(self) -> tuple[MarkTime, ...]:
        """Times of the marks reached so far, in SSML. Empty without the option `word_times`."""
        return tuple(self._transcript.marks)

    def __repr__(self) -> str:
        started, finished = self._transcript.started, self._transcript.finished
        state = "not started"
        if started is not None:
            state = f"{self._transcript.sample_count / started.sample_rate:.2f} s of audio"
        if finished is not None:
            state += f", finished: {finished.finish_reason}"
        return f"<{type(self).__name__} from {self._transcript.target}, {state}>"

    def _delay_s(self, error: BarkClientError, reconnection: Reconnection) -> float:
        """Return the seconds until a failed call is repeated, or raise the failure."""
        if self._source is not None and self._source.failure is not None:
            raise self._source.failure from None
        delay_s = None if self._closed else reconnection.delay_s(error)
        if delay_s is None:
            raise error
        return delay_s

    def _join(self, chunks: list[AudioChunk]) -> AudioChunk:
        """Join the last chunks read into one."""
        return AudioChunk(
            audio=b"".join(chunk.audio for chunk in chunks),
            first_sample=chunks[0].first_sample if chunks else self.finished.sample_count,
            sample_count=sum(chunk.sample_count for chunk in chunks),
            sample_rate=self.started.sample_rate,
            encoding=self.started.encoding,
            text_start=min((chunk.text_start for chunk in chunks), default=0),
            text_end=max((chunk.text_end for chunk in chunks), default=0),
            words=tuple(word for chunk in chunks for word in chunk.words),
        )
