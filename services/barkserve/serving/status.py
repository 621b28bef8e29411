"""Maps barkserve's errors to google.rpc.Status and back.

RPCs carry the status in the trailing metadata entry `grpc-status-details-bin`, the entry that every
gRPC library expects. Streams with several contexts carry it in a message.
"""

import logging
from typing import NoReturn

import grpc
from google.protobuf import duration_pb2
from google.rpc import error_details_pb2, status_pb2

from barkserve.errors import (
    BarkserveError,
    CannotResume,
    IdleTimeout,
    InvalidArgument,
    ModelExecutionFailed,
    NotFound,
    NothingToSpeak,
    Overloaded,
    StageFailed,
    StageUnavailable,
    StoreFull,
    TextTooLong,
    UnexpectedFailure,
)
from barkserve.serving.rpc_context import RpcContext

_log = logging.getLogger(__name__)

_DOMAIN = "barkserve"
_RESUME = "RESUME"
_INVALID = {kind.reason: kind for kind in (InvalidArgument, TextTooLong, NothingToSpeak)}
_DEFAULT_RETRY_S = 1.0
DETAILS_KEY = "grpc-status-details-bin"
MAX_TEXT_BYTES = 700
"""UTF-8 bytes of a text in a status. gRPC removes metadata above 8 KiB, and the reason with it."""


def to_status(error: BarkserveError) -> status_pb2.Status:
    """Return the code, the message and the google.rpc details of an error."""
    code: int = grpc.StatusCode[error.status].value[0]
    message = _shortened(str(error))
    status = status_pb2.Status(code=code, message=message)
    if isinstance(error, InvalidArgument):
        violation = error_details_pb2.BadRequest.FieldViolation(
            field=_shortened(error.field), description=_shortened(error.description)
        )
        status.details.add().Pack(error_details_pb2.BadRequest(field_violations=[violation]))
        if error.reason:
            info = error_details_pb2.ErrorInfo(reason=error.reason, domain=_DOMAIN)
            status.details.add().Pack(info)
    elif isinstance(error, CannotResume):
        changed = error_details_pb2.PreconditionFailure.Violation(
            type=_RESUME, subject="resume", description=message
        )
        status.details.add().Pack(error_details_pb2.PreconditionFailure(violations=[changed]))
    elif isinstance(error, Overloaded):
        delay = duration_pb2.Duration()
        delay.FromNanoseconds(int(error.retry_after_s * 1e9))
        status.details.add().Pack(error_details_pb2.RetryInfo(retry_delay=delay))
    elif isinstance(error, StoreFull):
        full = error_details_pb2.QuotaFailure.Violation(
            subject=error.subject, description=_shortened(error.description)
        )
        status.details.add().Pack(error_details_pb2.QuotaFailure(violations=[full]))
    return status


def _shortened(text: str) -> str:
    """Cut the middle of a text that quotes too much of a request."""
    utf8 = text.encode(errors="replace")
    if len(utf8) <= MAX_TEXT_BYTES:
        return text
    half = MAX_TEXT_BYTES // 2
    return f"{utf8[:half].decode(errors='ignore')} ... {utf8[-half:].decode(errors='ignore')}"


def as_barkserve_error(error: Exception, where: str) -> BarkserveError:
    """Return an error that a client may see.

    Args:
        error: what ended an RPC or a context. Anything but a BarkserveError is a bug: it is logged
            with its traceback.
        where: what it ended, for the log.
    """
    if isinstance(error, BarkserveError):
        return error
    _log.error("%s failed unexpectedly", where, exc_info=error)
    return UnexpectedFailure("unexpected failure; the service's log has the details")


async def abort(context: RpcContext, error: BarkserveError) -> NoReturn:
    """End an RPC with the status of an error."""
    status = to_status(error)
    await context.abort(
        grpc.StatusCode[error.status],
        status.message,
        trailing_metadata=((DETAILS_KEY, status.SerializeToString()),),
    )


def from_rpc_error(error: grpc.aio.AioRpcError, stage: str, via: str = "") -> BarkserveError:
    """Return what a failed call to a stage means for the stream that made it.

    Args:
        error: what the call raised.
        stage: the stage's name. It becomes part of the message and of the field path, because a
            stage's options are in the request under its name.
        via: names the proxy in front of the stage; empty if there is none.
    """
    code, text = error.code(), error.details() or ""
    details = _details(error)
    if code is grpc.StatusCode.INVALID_ARGUMENT:
        return _invalid_argument(details, stage, text)
    if code is grpc.StatusCode.NOT_FOUND:
        return NotFound(text)
    if code is grpc.StatusCode.RESOURCE_EXHAUSTED:
        return Overloaded(f"{stage}: {text}", _retry_after_s(details), f"{stage}_full")
    # grpc.aio reports INTERNAL when a call ends while a request is being written, whatever the
    # reason. Another replica is tried in either case.
    if code in (grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN):
        return ModelExecutionFailed(f"the {stage} stage failed: {text}")
    if code is grpc.StatusCode.ABORTED:
        return IdleTimeout(f"the {stage} stage ended the stream: {text}")
    if code in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED):
        return StageUnavailable(
            f"the {stage} stage cannot be reached{via} ({text}); check that it runs and is healthy"
        )
    return StageFailed(f"the {stage} stage failed with {code.name}: {text}")


def _details(error: grpc.aio.AioRpcError) -> status_pb2.Status:
    for key, value in error.trailing_metadata() or ():
        if key == DETAILS_KEY and isinstance(value, bytes):
            return status_pb2.Status.FromString(value)
    return status_pb2.Status()


def _invalid_argument(status: status_pb2.Status, stage: str, text: str) -> InvalidArgument:
    request, info = error_details_pb2.BadRequest(), error_details_pb2.ErrorInfo()
    for detail in status.details:
        detail.Unpack(request)
        detail.Unpack(info)
    if not request.field_violations:
        return InvalidArgument(stage, text)
    violation = request.field_violations[0]
    field = violation.field if violation.field == "text" else f"{stage}.{violation.field}"
    return _INVALID.get(info.reason, InvalidArgument)(field, violation.description)


def _retry_after_s(status: status_pb2.Status) -> float:
    retry = error_details_pb2.RetryInfo()
    for detail in status.details:
        if detail.Unpack(retry):
            return float(retry.retry_delay.ToNanoseconds() / 1e9)
    return _DEFAULT_RETRY_S
