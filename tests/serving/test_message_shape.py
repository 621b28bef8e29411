"""Large messages are checked before they are parsed."""

import pytest
from google.protobuf.message import Message

from barkserve.errors import InvalidArgument
from barkserve.serving.message_shape import MAX_FIELDS, MAX_NUMBER_BYTES, MIN_BYTES, check_shape
from barkserve.v1 import coarse_pb2, speech_pb2

TEXT = speech_pb2.SynthesizeRequest(text="é" * 500_000)
VOICE = speech_pb2.SynthesizeRequest(voice=speech_pb2.VoiceSelection(npz=b"\xff" * 1_000_000))
CODES = coarse_pb2.CoarseServiceGenerateRequest(
    config=coarse_pb2.CoarseConfig(produced=range(30_000), seed=5)
)
INSIDE = b"\x0a" + b"\x80\x80\x08"  # field 1 of 131,072 bytes


def check(data: bytes, kind: type[Message]) -> None:
    check_shape(data, kind.DESCRIPTOR)


@pytest.mark.parametrize("message", [TEXT, VOICE, CODES], ids=["text", "voice", "codes"])
def test_check_accepts_long_texts_voices_and_codes(message: Message) -> None:
    data = message.SerializeToString()
    assert len(data) > MIN_BYTES
    check(data, type(message))


@pytest.mark.parametrize(
    "fields", [b"\x7b\x7c", b"\x08\x01", b"\x8d\x01" + bytes(4), b"\x89\x01" + bytes(8)]
)
@pytest.mark.parametrize("start", [b"", INSIDE], ids=["outside", "inside"])
def test_check_refuses_many_tiny_fields(fields: bytes, start: bytes) -> None:
    data = start + fields * (131_072 // len(fields))
    with pytest.raises(InvalidArgument, match=rf"has groups|more than {MAX_FIELDS} fields"):
        check(data, coarse_pb2.CoarseServiceGenerateRequest)


def test_check_refuses_more_numbers_than_needed() -> None:
    config = coarse_pb2.CoarseConfig(produced=[1] * (MAX_NUMBER_BYTES + 1))
    request = coarse_pb2.CoarseServiceGenerateRequest(config=config)
    with pytest.raises(InvalidArgument, match="packed numbers"):
        check(request.SerializeToString(), type(request))


@pytest.mark.parametrize("end", [b"\x08", b"\x0a\xff\xff\xff\x7f", b"\xff" * 20])
def test_check_leaves_malformed_messages_to_the_parser(end: bytes) -> None:
    text = speech_pb2.SynthesizeRequest(text="a" * MIN_BYTES).SerializeToString()
    check(text + end, speech_pb2.SynthesizeRequest)


def test_check_ignores_small_messages() -> None:
    check(b"\x7b\x7c" * 100, speech_pb2.SynthesizeRequest)
