"""A synthesis that is asked for again when its connection is lost: the same request with the same
seed gives the same waveform, so what comes a second time is passed over, and the rest is news.
Knows no channel.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import grpc

from barkclient.errors import BarkClientError, ServerError
from barkclient.options import SAMPLE_BYTES
from barkclient.responses import Started, decode_started
from barkserve.v1 import speech_pb2

Request = speech_pb2.SynthesizeRequest
Response = speech_pb2.SynthesizeResponse
Make = Callable[[Request, float | None], Any]

_LOST = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED)
_DETAILS = "grpc-status-details-bin"  # every failure that a barkserve service tells of has them


@dataclass(frozen=True)
class Heard:
    """What of a synthesis has come: how it was begun, samples, and words with their times."""

    started: Started
    samples: int
    words: int


class Repetition:
    """Makes a call, and makes it again where it was cut off.

    Args:
        request: what to speak.
        make: calls the server with a request and a timeout in seconds, None for none.
        timeout: seconds for all calls together, None for no limit.
    """

    def __init__(self, request: Request, make: Make, timeout: float | None) -> None:
        self._request = request
        self._make = make
        self._deadline = None if timeout is None else time.monotonic() + timeout
        self._heard: Heard | None = None
        self._words_to_pass = 0

    def call(self) -> Any:
        """The call."""
        left = None if self._deadline is None else max(0.0, self._deadline - time.monotonic())
        return self._make(self._request, left)

    def call_again(self, error: BarkClientError, heard: Heard) -> Any | None:
        """The call that goes on behind what has come, None if there can be none: the server itself
        said that it failed, nothing has come since the last one, or the audio is compressed, so
        that it cannot be cut between two samples.

        Args:
            error: how the last call ended.
            heard: what has come.
        """
        if heard.started.encoding not in SAMPLE_BYTES or not _was_lost(error):
            return None
        if heard == self._heard:
            return None
        self._heard, self._words_to_pass = heard, heard.words
        again = Request()
        again.CopyFrom(self._request)
        again.seed, again.request_id = heard.started.seed, heard.started.request_id
        self._request = again
        return self.call()

    def news(self, response: Response) -> Response | None:
        """What of a response has not come before. Raises ServerError if another model answers."""
        if self._heard is None:
            return response
        match response.WhichOneof("response"):
            case "started":
                _check_same(self._heard.started, decode_started(response.started))
                return None
            case "words":
                return self._unheard_words(response.words)
            case "audio":
                return _behind(response.audio, self._heard)
        return response

    def _unheard_words(self, message: speech_pb2.WordTimes) -> Response | None:
        passed = min(self._words_to_pass, len(message.words))
        self._words_to_pass -= passed
        words = message.words[passed:]
        return Response(words=speech_pb2.WordTimes(words=words)) if words else None


def _was_lost(error: BarkClientError) -> bool:
    """Whether a call broke off without a word of the server's own."""
    cause = error.__cause__
    if not isinstance(cause, grpc.RpcError) or cause.code() not in _LOST:
        return False
    metadata: Any = cause.trailing_metadata() or ()
    return all(key != _DETAILS for key, _ in metadata)


def _check_same(first: Started, again: Started) -> None:
    for name in ("model", "model_revision", "voice", "encoding", "sample_rate", "seed"):
        was, is_ = getattr(first, name), getattr(again, name)
        if was != is_:
            raise ServerError(
                f"the connection was lost, and the server that answers now speaks with {name}"
                f" {is_!r} in place of {was!r}: ask for the whole again"
            )


def _behind(chunk: speech_pb2.AudioChunk, heard: Heard) -> Response | None:
    """What of a chunk lies behind the samples that were heard."""
    passed = heard.samples - chunk.first_sample
    if passed <= 0:
        return Response(audio=chunk)
    if passed >= chunk.sample_count:
        return None
    return Response(
        audio=speech_pb2.AudioChunk(
            audio=chunk.audio[passed * SAMPLE_BYTES[heard.started.encoding] :],
            first_sample=heard.samples,
            sample_count=chunk.sample_count - passed,
            text_span=chunk.text_span,
        )
    )
