"""The error tree as gRPC statuses with google.rpc details, and back.

Details travel as a google.rpc.Status in the trailing metadata entry `grpc-status-details-bin`, as
every gRPC library expects them.
"""

from typing import Any, NoReturn

import grpc
from google.protobuf import duration_pb2
from google.rpc import error_details_pb2, status_pb2

from barkserve.errors import (
    BarkserveError,
    InvalidArgument,
    ModelExecutionFailed,
    NotFound,
    NothingToSpeak,
    Overloaded,
    StageFailed,
    StageUnavailable,
    StoreFull,
    TextTooLong,
)
from barkserve.serving.rpc_context import RpcContext

_DOMAIN = "barkserve"
_INVALID = {kind.reason: kind for kind in (InvalidArgument, TextTooLong, NothingToSpeak)}
DETAILS_KEY = "grpc-status-details-bin"


def to_status(error: BarkserveError) -> status_pb2.Status:
    """The google.rpc.Status that says what the error says."""
    code: int = grpc.StatusCode[error.status].value[0]
    status = status_pb2.Status(code=code, message=str(error))
    if isinstance(error, InvalidArgument):
        violation = error_details_pb2.BadRequest.FieldViolation(
            field=error.field, description=error.description
        )
        status.details.add().Pack(error_details_pb2.BadRequest(field_violations=[violation]))
        if error.reason:
            info = error_details_pb2.ErrorInfo(reason=error.reason, domain=_DOMAIN)
            status.details.add().Pack(info)
    elif isinstance(error, Overloaded):
        delay = duration_pb2.Duration()
        delay.FromNanoseconds(int(error.retry_after_s * 1e9))
        status.details.add().Pack(error_details_pb2.RetryInfo(retry_delay=delay))
    elif isinstance(error, StoreFull):
        full = error_details_pb2.QuotaFailure.Violation(
            subject=error.subject, description=error.description
        )
        status.details.add().Pack(error_details_pb2.QuotaFailure(violations=[full]))
    return status


async def abort(context: RpcContext, error: BarkserveError) -> NoReturn:
    """End an RPC with the error's status, message and details."""
    await context.abort(
        grpc.StatusCode[error.status],
        str(error),
        trailing_metadata=((DETAILS_KEY, to_status(error).SerializeToString()),),
    )
    raise AssertionError("abort always raises")


def from_rpc_error(error: grpc.aio.AioRpcError, stage: str) -> BarkserveError:
    """What a failed call to a stage means for the stream that made it.

    Args:
        error: what the call raised.
        stage: the stage's name; it becomes part of messages and of field paths, for a
            stage's options are in the request under its name.
    """
    code, text = error.code(), error.details() or ""
    if code is grpc.StatusCode.INVALID_ARGUMENT:
        violation = _violation(error)
        if violation is None:
            return InvalidArgument(stage, text)
        path = violation.field if violation.field == "text" else f"{stage}.{violation.field}"
        return _INVALID.get(_reason(error), InvalidArgument)(path, violation.description)
    if code is grpc.StatusCode.NOT_FOUND:
        return NotFound(text)
    if code is grpc.StatusCode.RESOURCE_EXHAUSTED:
        return Overloaded(f"{stage}: {text}", _retry_after(error))
    # grpc.aio hears nothing of how a call ended while it was being written to: it may have failed,
    # been refused or gone. That is INTERNAL too, and like a failure it is tried elsewhere.
    if code in (grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN):
        return ModelExecutionFailed(f"the {stage} stage failed: {text}")
    if code in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED):  # it went, or is going
        return StageUnavailable(
            f"the {stage} stage cannot be reached ({text}); check that it runs and is healthy"
        )
    return StageFailed(f"the {stage} stage failed with {code.name}: {text}")


def _violation(
    error: grpc.aio.AioRpcError,
) -> error_details_pb2.BadRequest.FieldViolation | None:
    bad_request = error_details_pb2.BadRequest()
    for detail in _details(error):
        if detail.Unpack(bad_request) and bad_request.field_violations:
            return bad_request.field_violations[0]
    return None


def _reason(error: grpc.aio.AioRpcError) -> str:
    info = error_details_pb2.ErrorInfo()
    found = (info.reason for detail in _details(error) if detail.Unpack(info))
    return next(found, "")


def _retry_after(error: grpc.aio.AioRpcError) -> float:
    retry = error_details_pb2.RetryInfo()
    for detail in _details(error):
        if detail.Unpack(retry):
            return float(retry.retry_delay.ToNanoseconds() / 1e9)
    return 1.0


def _details(error: grpc.aio.AioRpcError) -> list[Any]:
    """The google.protobuf.Any messages that came with a failed call."""
    metadata: Any = error.trailing_metadata() or ()
    for key, value in metadata:
        if key == DETAILS_KEY and isinstance(value, bytes):
            return list(status_pb2.Status.FromString(value).details)
    return []
