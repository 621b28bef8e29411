"""The messages of the WebSocket: those of StreamingSynthesize, in JSON.

A client sends StreamingSynthesizeRequests and receives StreamingSynthesizeResponses, with the field
names of speech.proto. The bytes of an audio chunk follow its JSON message as one binary message.
Numbers of samples are JSON numbers. A seed of 2^53 or more is a string.
"""

import json
from typing import Any

from google.protobuf import json_format
from google.rpc import code_pb2, status_pb2

from barkserve.v1 import speech_pb2

Request = speech_pb2.StreamingSynthesizeRequest
Response = speech_pb2.StreamingSynthesizeResponse

_SAFE_INTEGER = 2**53
_INTEGERS = frozenset({"first_sample", "end_sample", "sample_count", "seed", "output_count"})


class MalformedMessage(Exception):
    """A message of the client that is not a request.

    Args:
        context_id: the context that it is for, as far as it can be read.
        reason: what is wrong.
    """

    def __init__(self, context_id: str, reason: str) -> None:
        super().__init__(reason)
        self.context_id = context_id


def parse_request(text: str) -> Request:
    """Parse a message of the client.

    Raises:
        MalformedMessage: it is not a StreamingSynthesizeRequest.
    """
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise MalformedMessage("", f"the message is not JSON: {error}") from error
    if not isinstance(content, dict):
        raise MalformedMessage("", "the message is not a JSON object")
    context_id = content.get("context_id", "")
    try:
        request: Request = json_format.ParseDict(content, Request())
    except (json_format.ParseError, ValueError) as error:
        known = context_id if isinstance(context_id, str) else ""
        raise MalformedMessage(known, _one_line(error)) from error
    return request


def error_message(error: MalformedMessage) -> str:
    """The answer to a malformed message: an error of its context."""
    status = status_pb2.Status(code=code_pb2.INVALID_ARGUMENT, message=str(error))
    return encode_response(Response(context_id=error.context_id, error=status))[0]


def encode_response(response: Response) -> tuple[str, bytes | None]:
    """Encode a response.

    Returns:
        The JSON message, and the binary message that follows it, if any.
    """
    audio = None
    if response.WhichOneof("response") == "audio":
        audio = response.audio.audio
        response.audio.ClearField("audio")
    content = json_format.MessageToDict(
        response, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )
    if audio is not None:
        del content["audio"]["audio"]
    return json.dumps(_with_numbers(content), ensure_ascii=False), audio


def _with_numbers(content: Any) -> Any:
    """Protobuf's JSON writes 64-bit integers as strings. Clients expect numbers."""
    if isinstance(content, list):
        return [_with_numbers(each) for each in content]
    if not isinstance(content, dict):
        return content
    return {
        key: int(value)
        if key in _INTEGERS and isinstance(value, str) and int(value) < _SAFE_INTEGER
        else _with_numbers(value)
        for key, value in content.items()
    }


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
