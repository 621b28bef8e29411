"""The one error tree of the client, and the one place where gRPC's errors become ours.

BarkClientError
├── RetryableError         the same call may go well later; nothing is wrong with it
│   ├── Overloaded         no room now; `retry_after_s` says when to come back                     RESOURCE_EXHAUSTED
│   ├── ServerUnavailable  nobody answers, or the connection broke off                             UNAVAILABLE
│   └── DeadlineExceeded   the timeout passed                                                      DEADLINE_EXCEEDED
├── InvalidRequest         the request is wrong and will stay wrong; `violations` name the fields  INVALID_ARGUMENT
├── VoiceNotFound          no voice of that name or handle                                         NOT_FOUND
├── VoiceExists            a voice has that name already                                           ALREADY_EXISTS
├── VoiceStoreFull         no room for another voice before one is deleted                         RESOURCE_EXHAUSTED
├── PreconditionFailed     the server is not set up for this                                       FAILED_PRECONDITION
├── Cancelled              the call was cancelled, here or by the server                           CANCELLED
└── ServerError            anything else: the server failed, or did not keep to the protocol
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

from barkserve.v1 import speech_pb2

_STARTER = "barkserve up"
_DETAILS_KEY = "grpc-status-details-bin"
# How gRPC's core words its own failures; the second has two wordings, by version.
_NOBODY_ANSWERS = "failed to connect to all addresses"
_NO_SUCH_HOST = ("DNS resolution failed", "errors resolving")
_TLS_FAILED = ("ssl_error", "handshake", "certificate", "peer name", "hostname verification")
_TOO_LARGE = "larger than max"
_BROKE_OFF = "Internal error from Core"  # grpc.aio's for a connection that breaks as a call begins


class BarkClientError(Exception):
    """Anything barkclient raises on purpose; the message is one line and says what to do."""


class RetryableError(BarkClientError):
    """What may go well later, or at another server, just as it is."""


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
    """A voice that the server does not know by that name or handle."""


class VoiceExists(BarkClientError):
    """A name for a voice that is taken."""


class VoiceStoreFull(BarkClientError):
    """A server that keeps as many voices as it may."""


class PreconditionFailed(BarkClientError):
    """A server that, as it was started, cannot do what is asked: it has no voice store, say."""


class Overloaded(RetryableError):
    """A server without room for another stream now.

    Args:
        message: what is full.
        retry_after_s: seconds after which another try makes sense; None if the server did not say.
    """

    def __init__(self, message: str, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class ServerUnavailable(RetryableError):
    """A server, or a stage behind it, that cannot be reached or that broke off."""


class DeadlineExceeded(RetryableError):
    """A call that did not end within its timeout."""


class Cancelled(BarkClientError):
    """A call that was cancelled: closed here while it was being read, or by the server."""


class ServerError(BarkClientError):
    """A server that failed, or that did not keep to the protocol."""


@contextmanager
def map_errors(target: str, starter: str = _STARTER) -> Iterator[None]:
    """Raises our errors in place of gRPC's; goes around every call and every read of a stream.

    Args:
        target: what is called.
        starter: the command that starts one where nothing answers.
    """
    try:
        yield
    except grpc.RpcError as error:
        raise from_rpc_error(error, target, starter) from error
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise  # the reader is cancelled, and gRPC has passed that on to the server
        raise Cancelled("the synthesis was closed while it was being read") from None


def from_rpc_error(error: grpc.RpcError, target: str, starter: str = _STARTER) -> BarkClientError:
    """The error of ours that says what gRPC's says."""
    text = " ".join((error.details() or "").split()) or "no reason given"
    match error.code():
        case grpc.StatusCode.INVALID_ARGUMENT:
            return InvalidRequest(text, _violations(error))
        case grpc.StatusCode.RESOURCE_EXHAUSTED:
            return _exhausted(text, error)
        case code:
            return _plain_error(code, text, target, starter)


def from_failed(failed: speech_pb2.SynthesisFailed, target: str) -> BarkClientError:
    """The error of ours for one context that failed while its call goes on."""
    codes = {code.value[0]: code for code in grpc.StatusCode}
    code = codes.get(failed.code, grpc.StatusCode.UNKNOWN)
    if code is grpc.StatusCode.INVALID_ARGUMENT:
        violation = FieldViolation(failed.field, failed.message)
        return InvalidRequest(failed.message, [violation] if failed.field else [])
    if code is grpc.StatusCode.RESOURCE_EXHAUSTED:
        return _overloaded(failed.message, failed.retry_after_seconds or None)
    return _plain_error(code, failed.message, target, _STARTER)


def _plain_error(code: grpc.StatusCode, text: str, target: str, starter: str) -> BarkClientError:
    """The error for a code that comes without details."""
    match code:
        case grpc.StatusCode.NOT_FOUND:
            return VoiceNotFound(text)
        case grpc.StatusCode.ALREADY_EXISTS:
            return VoiceExists(text)
        case grpc.StatusCode.FAILED_PRECONDITION:
            return PreconditionFailed(text)
        case grpc.StatusCode.UNAVAILABLE:
            return ServerUnavailable(_why_unavailable(text, target, starter))
        case grpc.StatusCode.INTERNAL if text == _BROKE_OFF:
            return ServerUnavailable(f"the connection to {target} broke off")
        case grpc.StatusCode.DEADLINE_EXCEEDED:
            return DeadlineExceeded(f"{target} did not finish in time: allow a longer timeout")
        case grpc.StatusCode.CANCELLED:
            return Cancelled(f"the call to {target} was cancelled: {text}")
        case grpc.StatusCode.UNIMPLEMENTED:
            return ServerError(f"{target} is not a barkserve orchestrator, or an older one: {text}")
        case _:
            return ServerError(f"{target} failed with {code.name}: {text}")


def _why_unavailable(text: str, target: str, starter: str) -> str:
    if any(sign in text.lower() for sign in _TLS_FAILED):
        return f"{target} and this client do not agree on TLS: check --tls-ca, --tls-cert ({text})"
    if text.startswith(_NOBODY_ANSWERS):
        return f"nothing answers at {target}: start one with `{starter}`"
    if text.startswith(_NO_SUCH_HOST):
        return f"no host has the name in {target}: check the spelling"
    return f"{target} is unavailable: {text}"


def _exhausted(text: str, error: grpc.RpcError) -> BarkClientError:
    if _TOO_LARGE in text:
        return InvalidRequest(text)
    retry, quota = error_details_pb2.RetryInfo(), error_details_pb2.QuotaFailure()
    for detail in _details(error):
        if detail.Unpack(quota):
            return VoiceStoreFull(text)
        if detail.Unpack(retry):
            return _overloaded(text, retry.retry_delay.ToNanoseconds() / 1e9)
    return _overloaded(text, None)


def _overloaded(text: str, retry_after_s: float | None) -> Overloaded:
    when = "later" if retry_after_s is None else f"in {retry_after_s:g} s"
    return Overloaded(f"{text} (try again {when})", retry_after_s)


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
