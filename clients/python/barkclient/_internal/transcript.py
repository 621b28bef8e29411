"""One synthesis as its messages come, and the check that nothing is missing. Knows no channel."""

from typing import Any, Protocol

from barkclient._internal.resumable_call import Heard, Repetition
from barkclient.errors import BarkClientError, ServerError, from_failed
from barkclient.responses import (
    AudioChunk,
    Finished,
    Started,
    WordTime,
    decode_audio,
    decode_finished,
    decode_started,
    decode_words,
)
from barkserve.v1 import common_pb2, speech_pb2

_CANCELLED = common_pb2.FINISH_REASON_CANCELLED

Response = speech_pb2.SynthesizeResponse | speech_pb2.StreamingSynthesizeResponse


class Transcript:
    """What has come of one synthesis: responses go in, audio comes out, gaps are errors.

    Args:
        target: the server, for errors.
    """

    def __init__(self, target: str) -> None:
        self.started: Started | None = None
        self.finished: Finished | None = None
        self.words: list[WordTime] = []
        self.flushed: list[str] = []
        self.sample_count = 0
        self._target = target
        self._words_told = 0  # of those, how many came with a chunk already

    def push(self, response: Response) -> AudioChunk | None:
        """Takes the next response; returns its audio, if that is what it is."""
        kind = response.WhichOneof("response")
        if isinstance(response, speech_pb2.StreamingSynthesizeResponse):
            if kind == "failed":
                raise from_failed(response.failed, self._target)
            if kind == "flush_done":
                self.flushed.append(response.flush_done.flush_id)
                return None
        if not self._belongs(response):
            raise ServerError(f"the server sent {kind!r} where it does not belong")
        if kind == "started":
            self.started = decode_started(response.started)
        elif kind == "finished":
            self._finish(decode_finished(response.finished))
        elif kind == "words" and self.started is not None:
            self.words += decode_words(response.words, self.started)
        elif kind == "audio" and self.started is not None:
            return self._audio(response.audio, self.started)
        return None  # also what a newer server may add

    def end(self) -> None:
        """Takes the end of an OK stream."""
        if self.finished is None:
            raise ServerError("the server ended the stream without finishing it")

    def _belongs(self, response: Response) -> bool:
        """Whether it may come now: `started` is first, unless it was cancelled before that."""
        kind = response.WhichOneof("response")
        if self.finished is not None:
            return False
        if kind == "finished" and response.finished.finish_reason == _CANCELLED:
            return True
        starts: bool = kind == "started"
        return starts == (self.started is None)

    def _audio(self, message: speech_pb2.AudioChunk, started: Started) -> AudioChunk:
        chunk = decode_audio(message, started, tuple(self.words[self._words_told :]))
        self._words_told = len(self.words)
        if chunk.first_sample != self.sample_count:
            first, expected = chunk.first_sample, self.sample_count
            raise ServerError(f"audio is missing: sample {first} came in place of {expected}")
        self.sample_count += chunk.sample_count
        return chunk

    def _finish(self, finished: Finished) -> None:
        if finished.sample_count != self.sample_count:
            sent, came = finished.sample_count, self.sample_count
            raise ServerError(f"audio is missing: the server sent {sent} samples and {came} came")
        self.finished = finished


class Source(Protocol):
    """Where text comes from that is still being written.

    Attributes:
        failure: what went wrong with it.
    """

    failure: Exception | None


class Progress:
    """The side of a synthesis that does not wait: what is known of it so far.

    Args:
        target: the server, for errors.
        source: of the text; None: it is all there.
        repetition: makes its call again when the connection is lost; None: nothing does.
    """

    def __init__(
        self, target: str, source: Source | None = None, repetition: Repetition | None = None
    ) -> None:
        self._transcript = Transcript(target)
        self._source = source
        self._repetition = repetition
        self._closed = False

    @property
    def started(self) -> Started:
        """What was decided; known once the first chunk came."""
        if self._transcript.started is None:
            raise RuntimeError("the synthesis has not started: read a chunk first")
        return self._transcript.started

    @property
    def finished(self) -> Finished:
        """How it ended; known once every chunk has been read."""
        if self._transcript.finished is None:
            raise RuntimeError("the synthesis has not finished: read all chunks first")
        return self._transcript.finished

    @property
    def words(self) -> tuple[WordTime, ...]:
        """When words are spoken, as far as the server has told; with word_times."""
        return tuple(self._transcript.words)

    def _push(self, response: Any) -> AudioChunk | None:
        """Takes the next response; returns its audio, if that is what it is, and new."""
        news = response if self._repetition is None else self._repetition.news(response)
        return None if news is None else self._transcript.push(news)

    def _call_again(self, error: BarkClientError) -> Any:
        """The call that takes over from one that has failed; if there can be none, raises why."""
        if self._source is not None and self._source.failure is not None:
            raise self._source.failure from None
        started, call = self._transcript.started, None
        if self._repetition is not None and started is not None and not self._closed:
            heard = Heard(started, self._transcript.sample_count, len(self._transcript.words))
            call = self._repetition.call_again(error, heard)
        if call is None:
            raise error
        return call

    def _join(self, chunks: list[AudioChunk]) -> AudioChunk:
        """One chunk of all that was read just now."""
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
