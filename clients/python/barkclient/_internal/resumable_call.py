"""A Synthesize call that is repeated when its connection is lost.

The same request with the same seed gives the same waveform. The parts of the new stream that have
already arrived are dropped.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

import grpc

from barkclient.errors import BarkClientError, ServerError, sent_status
from barkclient.options import SAMPLE_BYTES
from barkclient.responses import Started, decode_started
from barkserve.v1 import speech_pb2

Request = speech_pb2.SynthesizeRequest
Response = speech_pb2.SynthesizeResponse
Call_co = TypeVar("Call_co", covariant=True)

_CONNECTION_LOST = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED)


@dataclass(frozen=True)
class Received:
    """What has arrived of a synthesis.

    Attributes:
        started: how it began.
        samples: number of samples.
        words: number of words with times.
    """

    started: Started
    samples: int
    words: int


class ResumableCall(Generic[Call_co]):
    """Calls the server, and calls it again after a lost connection.

    Args:
        request: what to speak.
        call: calls the server with a request and a timeout in seconds (None: no limit).
        timeout: seconds for all calls together; None: no limit.
    """

    def __init__(
        self,
        request: Request,
        call: Callable[[Request, float | None], Call_co],
        timeout: float | None,
    ) -> None:
        self._request = request
        self._call = call
        self._deadline = None if timeout is None else time.monotonic() + timeout
        self._received: Received | None = None
        self._words_to_skip = 0

    def start(self) -> Call_co:
        """Call the server with the time that is left."""
        left = None if self._deadline is None else max(0.0, self._deadline - time.monotonic())
        return self._call(self._request, left)

    def resume(self, error: BarkClientError, received: Received) -> Call_co | None:
        """Call the server again to continue after what has arrived.

        Args:
            error: how the last call ended.
            received: what has arrived.

        Returns:
            The new call. None if the server itself reported the failure, if nothing arrived since
            the last try, or if the audio is compressed and cannot be cut between two samples.
        """
        if received.started.encoding not in SAMPLE_BYTES or not _connection_was_lost(error):
            return None
        if received == self._received:
            return None
        self._received, self._words_to_skip = received, received.words
        request = Request()
        request.CopyFrom(self._request)
        request.seed, request.request_id = received.started.seed, received.started.request_id
        self._request = request
        return self.start()

    def new_part(self, response: Response) -> Response | None:
        """Return the part of a response that has not arrived before, None if there is none.

        Raises:
            ServerError: the second server speaks with another model, voice or format.
        """
        if self._received is None:
            return response
        match response.WhichOneof("response"):
            case "started":
                _check_same(self._received.started, decode_started(response.started))
                return None
            case "words":
                return self._new_words(response.words)
            case "audio":
                return _new_audio(response.audio, self._received)
        return response

    def _new_words(self, message: speech_pb2.WordTimes) -> Response | None:
        skipped = min(self._words_to_skip, len(message.words))
        self._words_to_skip -= skipped
        words = message.words[skipped:]
        return Response(words=speech_pb2.WordTimes(words=words)) if words else None


def _connection_was_lost(error: BarkClientError) -> bool:
    """Whether a call ended without a status from the server itself."""
    cause = error.__cause__
    if not isinstance(cause, grpc.RpcError) or cause.code() not in _CONNECTION_LOST:
        return False
    return sent_status(cause) is None


def _check_same(first: Started, second: Started) -> None:
    for name in ("model", "model_revision", "voice", "encoding", "sample_rate", "seed"):
        expected, found = getattr(first, name), getattr(second, name)
        if expected != found:
            raise ServerError(
                f"the connection was lost, and the next server has {name} {found!r} instead of"
                f" {expected!r}: request the whole text again"
            )


def _new_audio(chunk: speech_pb2.AudioChunk, received: Received) -> Response | None:
    """The part of a chunk after the samples that have arrived."""
    skipped = received.samples - chunk.first_sample
    if skipped <= 0:
        return Response(audio=chunk)
    if skipped >= chunk.sample_count:
        return None
    return Response(
        audio=speech_pb2.AudioChunk(
            audio=chunk.audio[skipped * SAMPLE_BYTES[received.started.encoding] :],
            first_sample=received.samples,
            sample_count=chunk.sample_count - skipped,
            text_span=chunk.text_span,
        )
    )
