"""The error tree of the client, and the mapping of gRPC's statuses to it.

BarkClientError
├── RetryableError         the same call may succeed later
│   ├── Overloaded         the server is full; `retry_after_s` says when to retry        RESOURCE_EXHAUSTED
│   ├── ServerUnavailable  the server cannot be reached, or the connection broke         UNAVAILABLE
│   ├── SessionExpired     the server ended a call that was idle for too long            ABORTED
│   └── DeadlineExceeded   the call took longer than its timeout                         DEADLINE_EXCEEDED
├── InvalidRequest         the request is wrong; `violations` name the fields            INVALID_ARGUMENT
├── Unauthenticated        the server needs a token, or does not accept this one        UNAUTHENTICATED
├── PermissionDenied       the token's owner lacks a role for this call              PERMISSION_DENIED
├── VoiceNotFound          no voice has this name or handle                              NOT_FOUND
├── VoiceExists            a voice has this name already                                 ALREADY_EXISTS
├── VoiceStoreFull         the server stores no more voices until one is deleted         RESOURCE_EXHAUSTED
├── PreconditionFailed     the server is not configured for this request                 FAILED_PRECONDITION
│   └── CannotResume       the connection broke, and this server speaks differently      FAILED_PRECONDITION
├── Cancelled              the call was cancelled, by this client or by the server       CANCELLED
└── ServerError            anything else: the server failed or broke the protocol
"""  # noqa: E501

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TypeVar

import grpc
from google.protobuf.message import DecodeError, Message
from google.rpc import error_details_pb2, status_pb2

_Detail = TypeVar("_Detail", bound=Message)
_STARTER = "barkserve up"
_DETAILS_KEY = "grpc-status-details-bin"
_CODES = {code.value[0]: code for code in grpc.StatusCode}
# The texts of gRPC's own failures. "No such host" has two, depending on the version.
_NO_SERVER = ("failed to connect to all addresses", "connections to all backends failing")
_NO_SUCH_HOST = ("DNS resolution failed", "errors resolving")
_TLS_FAILED = ("ssl_error", "handshake", "certificate", "peer name", "hostname verification")
_WRONG_PORT = (
    (
        ("http1.x server", "ALPN"),
        "{} speaks HTTP, not gRPC: give the server's gRPC port, 50051 unless --port changed it",
    ),
    (
        ("Failed parsing HTTP/2",),
        "{} does not speak gRPC: give the server's gRPC port, 50051 unless --port changed it",
    ),
    (
        ("WRONG_VERSION_NUMBER",),
        "{} does not use TLS: leave out --tls and --tls-ca (in Python, tls=)",
    ),
    (
        ("Socket closed",),
        "{} closes connections without an answer: if the server uses TLS, give --tls or --tls-ca; "
        "if it wants client certificates, --tls-cert and --tls-key (in Python, tls=)",
    ),
)
"""Signs of another protocol in gRPC's texts, and what to say."""
_RESUME = "RESUME"
_TOO_LARGE = "larger than max"
_CONNECTION_BROKE = "Internal error from Core"  # grpc.aio's, if it breaks while a call starts


class BarkClientError(Exception):
    """Base class of all errors that barkclient raises on purpose.

    The message is one line. It says what happened and what to do.
    """


class RetryableError(BarkClientError):
    """A failure that the same call may not have later, or at another server."""


@dataclass(frozen=True)
class FieldViolation:
    """One field of a request that is wrong.

    Attributes:
        field: its path in the request, such as "semantic.sampling.temperature".
        description: what is wrong with it.
    """

    field: str
    description: str


class InvalidRequest(BarkClientError):
    """A request that cannot be served as it is. A retry does not help.

    Args:
        message: what is wrong.
        violations: the fields that are wrong, as far as known.
    """

    def __init__(self, message: str, violations: Sequence[FieldViolation] = ()) -> None:
        super().__init__(message)
        self.violations = tuple(violations)

    @classmethod
    def of_field(cls, field: str, description: str) -> "InvalidRequest":
        """Return the error for one field that the client itself found wrong."""
        return cls(f"{field}: {description}", [FieldViolation(field, description)])


class Unauthenticated(BarkClientError):
    """A server that needs a token, or does not accept the one that the client sent."""


class PermissionDenied(BarkClientError):
    """A token whose owner lacks a role for the call."""


class VoiceNotFound(BarkClientError):
    """A voice name or handle that the server does not know."""


class VoiceExists(BarkClientError):
    """A voice name that is taken."""


class VoiceStoreFull(BarkClientError):
    """A server that has reached its limit of stored voices."""


class PreconditionFailed(BarkClientError):
    """A server that is not configured for the request: for instance, it has no voice store."""


class CannotResume(PreconditionFailed):
    """A speech whose connection broke, and that the next server would not continue as it began."""


class Overloaded(RetryableError):
    """A server without capacity for another stream.

    Args:
        message: what is full.
        retry_after_s: seconds to wait before the next attempt, None if the server did not say.
    """

    def __init__(self, message: str, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class ServerUnavailable(RetryableError):
    """A server or a stage that cannot be reached, or whose connection broke."""


class SessionExpired(RetryableError):
    """A call that the server ended because it was idle for too long."""


class DeadlineExceeded(RetryableError):
    """A call that took longer than its timeout."""


class Cancelled(BarkClientError):
    """A call that was cancelled, by this client or by the server."""


class ServerError(BarkClientError):
    """A server that failed or broke the protocol."""


@contextmanager
def map_errors(target: str, starter: str = _STARTER) -> Iterator[None]:
    """Raise barkclient's errors instead of gRPC's. Wraps every call and every read of a stream.

    Args:
        target: the server's address, for the message.
        starter: the command that starts such a server, for the message.
    """
    try:
        yield
    except grpc.RpcError as error:
        raise from_rpc_error(error, target, starter) from error
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise  # the reading task is cancelled, and gRPC has cancelled the call
        raise Cancelled("the synthesis was closed while it was being read") from None


def from_rpc_error(error: grpc.RpcError, target: str, starter: str = _STARTER) -> BarkClientError:
    """Return the error for a failed RPC."""
    sent = sent_status(error) or status_pb2.Status()
    code: int = error.code().value[0]
    status = status_pb2.Status(code=code, message=error.details() or "", details=sent.details)
    return from_status(status, target, starter)


def sent_status(error: grpc.RpcError) -> status_pb2.Status | None:
    """Return the status that the server sent with an error.

    Returns:
        The status; an empty one if it cannot be parsed. None if the server sent none: the failure
        is gRPC's own.
    """
    for key, value in _trailing_metadata(error):
        if key == _DETAILS_KEY and isinstance(value, bytes):
            try:
                return status_pb2.Status.FromString(value)
            except DecodeError:
                return status_pb2.Status()
    return None


def from_status(status: status_pb2.Status, target: str, starter: str = _STARTER) -> BarkClientError:
    """Return the error for a status: of a failed RPC, or of a context in a stream.

    Args:
        status: code, message and google.rpc details.
        target: the server's address, for the message.
        starter: the command that starts such a server, for the message.
    """
    code = _CODES.get(status.code, grpc.StatusCode.UNKNOWN)
    text = " ".join(status.message.split()) or "no reason given"
    match code:
        case grpc.StatusCode.INVALID_ARGUMENT:
            return InvalidRequest(text, _violations(status))
        case grpc.StatusCode.RESOURCE_EXHAUSTED:
            return _exhausted(text, status)
        case grpc.StatusCode.UNAUTHENTICATED:
            return Unauthenticated(text)
        case grpc.StatusCode.PERMISSION_DENIED:
            return PermissionDenied(text)
        case grpc.StatusCode.NOT_FOUND:
            return VoiceNotFound(text)
        case grpc.StatusCode.ALREADY_EXISTS:
            return VoiceExists(text)
        case grpc.StatusCode.FAILED_PRECONDITION:
            return CannotResume(text) if _is_about_resuming(status) else PreconditionFailed(text)
        case grpc.StatusCode.UNAVAILABLE:
            return ServerUnavailable(_why_unavailable(text, target, starter))
        case grpc.StatusCode.INTERNAL if text == _CONNECTION_BROKE:
            return ServerUnavailable(f"the connection to {target} broke")
        case grpc.StatusCode.ABORTED:
            return SessionExpired(text)
        case grpc.StatusCode.DEADLINE_EXCEEDED:
            return DeadlineExceeded(f"{target} did not finish in time: allow a longer timeout")
        case grpc.StatusCode.CANCELLED:
            return Cancelled(f"the call to {target} was cancelled: {text}")
        case grpc.StatusCode.UNIMPLEMENTED:
            return ServerError(
                f"{target} is not a barkserve orchestrator, or has an older version: {text}"
            )
    return ServerError(f"{target} failed with {code.name}: {text}")


def _why_unavailable(text: str, target: str, starter: str) -> str:
    if text.startswith(_NO_SERVER):
        for signs, message in _WRONG_PORT:
            if any(sign in text for sign in signs):
                return message.format(target)
    if any(sign in text.lower() for sign in _TLS_FAILED):
        return f"TLS with {target} failed: check --tls-ca, --tls-cert and --tls-key ({text})"
    if text.startswith(_NO_SERVER):
        return f"nothing answers at {target}: start one with `{starter}`"
    if text.startswith(_NO_SUCH_HOST):
        return f"the host of {target} cannot be resolved: check the spelling"
    return f"{target} is unavailable: {text}"


def _exhausted(text: str, status: status_pb2.Status) -> BarkClientError:
    if _TOO_LARGE in text:
        return InvalidRequest(text)
    if _details(status, error_details_pb2.QuotaFailure):
        return VoiceStoreFull(text)
    for retry in _details(status, error_details_pb2.RetryInfo):
        retry_after_s = float(retry.retry_delay.ToNanoseconds() / 1e9)
        return Overloaded(f"{text} (try again in {retry_after_s:g} s)", retry_after_s)
    return Overloaded(f"{text} (try again later)")


def _is_about_resuming(status: status_pb2.Status) -> bool:
    return any(
        violation.type == _RESUME
        for failure in _details(status, error_details_pb2.PreconditionFailure)
        for violation in failure.violations
    )


def _violations(status: status_pb2.Status) -> list[FieldViolation]:
    return [
        FieldViolation(violation.field, violation.description)
        for request in _details(status, error_details_pb2.BadRequest)
        for violation in request.field_violations
    ]


def _details(status: status_pb2.Status, kind: type[_Detail]) -> list[_Detail]:
    """Return the details of one kind, without those that cannot be parsed."""
    found = []
    for detail in status.details:
        message = kind()
        with suppress(DecodeError):
            if detail.Unpack(message):
                found.append(message)
    return found


def _trailing_metadata(error: grpc.RpcError) -> Iterable[tuple[str, str | bytes]]:
    if isinstance(error, grpc.aio.AioRpcError):
        return error.trailing_metadata() or ()
    return ((entry.key, entry.value) for entry in error.trailing_metadata() or ())
