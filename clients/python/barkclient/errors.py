"""The one error tree of the client, and the one place where gRPC's errors become ours.

BarkClientError
├── InvalidRequest     the request is wrong and will stay wrong; `violations` name the fields  INVALID_ARGUMENT
├── VoiceNotFound      no voice of that name                                                   NOT_FOUND
├── Overloaded         no room now; `retry_after_s` says when to come back                     RESOURCE_EXHAUSTED
├── ServerUnavailable  nobody answers, or the connection broke off                             UNAVAILABLE
├── DeadlineExceeded   the timeout passed                                                      DEADLINE_EXCEEDED
├── Cancelled          the call was cancelled, here or by the server                           CANCELLED
└── ServerError        anything else: the server failed, or did not keep to the protocol
"""  # noqa: E501

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import grpc
from google.protobuf import any_pb2
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2

_DETAILS_KEY = "grpc-status-details-bin"
# How gRPC's core words its own failures; the second has two wordings, by version.
_NOBODY_ANSWERS = "failed to connect to all addresses"
_NO_SUCH_HOST = ("DNS resolution failed", "errors resolving")
_TOO_LARGE = "larger than max"


class BarkClientError(Exception):
    """Anything barkclient raises on purpose; the message is one line and says what to do."""


@dataclass(frozen=True)
class FieldViolation:
    """One thing that is wrong with a request."""

    field: str  # a path in the request: "semantic.sampling.temperature"
    description: str


class InvalidRequest(BarkClientError):
    """A request that cannot be served as it is: mend it before trying again."""

    def __init__(self, message: str, violations: Sequence[FieldViolation] = ()) -> None:
        super().__init__(message)
        self.violations = tuple(violations)

    @classmethod
    def of_field(cls, field: str, description: str) -> "InvalidRequest":
        """A violation that the client itself has found."""
        return cls(f"{field}: {description}", [FieldViolation(field, description)])


class VoiceNotFound(BarkClientError):
    """A voice that the server does not know by name."""


class Overloaded(BarkClientError):
    """A server without room for another stream now.

    Args:
        message: what is full.
        retry_after_s: seconds after which another try makes sense; None if the server did not say.
    """

    def __init__(self, message: str, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class ServerUnavailable(BarkClientError):
    """A server, or a stage behind it, that cannot be reached or that broke off."""


class DeadlineExceeded(BarkClientError):
    """A call that did not end within its timeout."""


class Cancelled(BarkClientError):
    """A call that was cancelled: closed here while it was being read, or by the server."""


class ServerError(BarkClientError):
    """A server that failed, or that did not keep to the protocol."""


@contextmanager
def map_errors(target: str) -> Iterator[None]:
    """Raises our errors in place of gRPC's; goes around every call and every read of a stream."""
    try:
        yield
    except grpc.RpcError as error:
        raise from_rpc_error(error, target) from error
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise  # the reader is cancelled, and gRPC has passed that on to the server
        raise Cancelled("the synthesis was closed while it was being read") from None


def from_rpc_error(error: grpc.RpcError, target: str) -> BarkClientError:
    """The error of ours that says what gRPC's says."""
    text = " ".join((error.details() or "").split()) or "no reason given"
    match error.code():
        case grpc.StatusCode.INVALID_ARGUMENT:
            return InvalidRequest(text, _violations(error))
        case grpc.StatusCode.NOT_FOUND:
            return VoiceNotFound(text)
        case grpc.StatusCode.RESOURCE_EXHAUSTED:
            return InvalidRequest(text) if _TOO_LARGE in text else _overloaded(text, error)
        case grpc.StatusCode.UNAVAILABLE:
            return ServerUnavailable(_why_unavailable(text, target))
        case grpc.StatusCode.DEADLINE_EXCEEDED:
            return DeadlineExceeded(f"{target} did not finish in time: allow a longer timeout")
        case grpc.StatusCode.CANCELLED:
            return Cancelled(f"the call to {target} was cancelled: {text}")
        case grpc.StatusCode.UNIMPLEMENTED:
            return ServerError(f"{target} is not a barkserve orchestrator: {text}")
        case code:
            return ServerError(f"{target} failed with {code.name}: {text}")


def _why_unavailable(text: str, target: str) -> str:
    if text.startswith(_NOBODY_ANSWERS):
        return f"nothing answers at {target}: start one with `barkserve up`"
    if text.startswith(_NO_SUCH_HOST):
        return f"no host has the name in {target}: check the spelling"
    return f"{target} is unavailable: {text}"


def _overloaded(text: str, error: grpc.RpcError) -> Overloaded:
    retry = error_details_pb2.RetryInfo()
    for detail in _details(error):
        if detail.Unpack(retry):
            seconds = retry.retry_delay.ToNanoseconds() / 1e9
            return Overloaded(f"{text} (try again in {seconds:g} s)", seconds)
    return Overloaded(f"{text} (try again later)")


def _violations(error: grpc.RpcError) -> list[FieldViolation]:
    request = error_details_pb2.BadRequest()
    return [
        FieldViolation(violation.field, violation.description)
        for detail in _details(error)
        if detail.Unpack(request)
        for violation in request.field_violations
    ]


def _details(error: grpc.RpcError) -> Sequence[any_pb2.Any]:
    """The google.rpc details that a status carries in its trailing metadata."""
    metadata: Any = error.trailing_metadata() or ()  # blocking and asyncio calls: pairs
    for key, value in metadata:
        if key == _DETAILS_KEY:
            try:
                return list(status_pb2.Status.FromString(value).details)
            except DecodeError:  # of another making; the code and the text still say something
                return []
    return []
