"""What a server sends to the client library: responses, and the status of a failed call.

The first byte selects the kind of message. Marks separate the responses of a stream.
"""

from collections.abc import Callable

from google.protobuf import any_pb2, duration_pb2
from google.protobuf.message import DecodeError
from google.rpc import code_pb2, error_details_pb2, status_pb2

from barkclient._internal.flac import HEAD_BYTES, with_length
from barkclient._internal.g711 import decode_alaw, decode_mulaw
from barkclient._internal.transcript import Response, Transcript
from barkclient.errors import BarkClientError, from_status
from barkserve.v1 import speech_pb2

_TARGET = "localhost:50051"
_MARK = b"\n--\n"


def fuzz(data: bytes) -> None:
    """Check that the client understands a message, or raises its own errors."""
    kinds: tuple[Callable[[bytes], None], ...] = (_status, _synthesis, _stream, _audio)
    kinds[data[0] % len(kinds) if data else 0](data[1:])


def seeds() -> list[bytes]:
    """A whole synthesis of each kind, and a status of each code with details."""
    responses = _responses()
    streamed = [_streamed(each) for each in responses]
    synthesis = _MARK.join(each.SerializeToString() for each in responses)
    stream = _MARK.join(each.SerializeToString() for each in streamed)
    failed = speech_pb2.StreamingSynthesizeResponse(error=_statuses()[8]).SerializeToString()
    statuses = [b"\0" + each.SerializeToString() for each in _statuses()]
    flac = b"\x03fLaC" + bytes(HEAD_BYTES)
    return [*statuses, b"\1" + synthesis, b"\2" + stream, b"\2" + failed, flac]


def _status(data: bytes) -> None:
    try:
        status = status_pb2.Status.FromString(data)
    except DecodeError:
        return
    error = from_status(status, _TARGET)
    assert isinstance(error, BarkClientError)
    assert len(str(error).splitlines()) == 1, "an error of several lines"


def _synthesis(data: bytes) -> None:
    _push(data, speech_pb2.SynthesizeResponse.FromString)


def _stream(data: bytes) -> None:
    _push(data, speech_pb2.StreamingSynthesizeResponse.FromString)


def _push(data: bytes, parse: Callable[[bytes], Response]) -> None:
    """Check that the parts of the audio are counted without gaps."""
    transcript, samples = Transcript(_TARGET), 0
    try:
        for part in data.split(_MARK):
            chunk = transcript.push(parse(part))
            if chunk is not None:
                assert chunk.first_sample == samples, "a chunk is not where the last one ended"
                samples += chunk.sample_count
        transcript.end()
    except (BarkClientError, DecodeError):
        return
    assert transcript.sample_count == samples


def _audio(data: bytes) -> None:
    assert len(decode_mulaw(data)) == len(decode_alaw(data)) == len(data)
    assert len(with_length(data[:HEAD_BYTES], len(data))) == len(data[:HEAD_BYTES])


def _responses() -> list[speech_pb2.SynthesizeResponse]:
    started = speech_pb2.SynthesisStarted(
        encoding=speech_pb2.AUDIO_ENCODING_PCM16, sample_rate_hertz=24000
    )
    words = speech_pb2.WordTimes(words=[speech_pb2.WordTime(word="Hello", end_sample=2)])
    audio = speech_pb2.AudioChunk(audio=b"\1\2\3\4", sample_count=2)
    finished = speech_pb2.SynthesisFinished(sample_count=2)
    return [
        speech_pb2.SynthesizeResponse(started=started),
        speech_pb2.SynthesizeResponse(words=words),
        speech_pb2.SynthesizeResponse(audio=audio),
        speech_pb2.SynthesizeResponse(finished=finished),
    ]


def _streamed(response: speech_pb2.SynthesizeResponse) -> speech_pb2.StreamingSynthesizeResponse:
    """The same response on a call with several contexts."""
    kind = response.WhichOneof("response")
    streamed = speech_pb2.StreamingSynthesizeResponse(context_id="a")
    if kind is not None:
        getattr(streamed, kind).CopyFrom(getattr(response, kind))
    return streamed


def _statuses() -> list[status_pb2.Status]:
    details = []
    for message in (
        error_details_pb2.RetryInfo(retry_delay=duration_pb2.Duration(seconds=2)),
        error_details_pb2.BadRequest(
            field_violations=[error_details_pb2.BadRequest.FieldViolation(field="text")]
        ),
        error_details_pb2.PreconditionFailure(
            violations=[error_details_pb2.PreconditionFailure.Violation(type="RESUME")]
        ),
        error_details_pb2.QuotaFailure(),
    ):
        detail = any_pb2.Any()
        detail.Pack(message)
        details.append(detail)
    return [
        status_pb2.Status(code=code, message="it failed", details=[detail])
        for code in code_pb2.Code.values()
        for detail in details
    ]
