"""The error mapping: server errors to statuses, and statuses to the client's errors."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc
import pytest

import barkserve.errors
from barkclient.errors import (
    BarkClientError,
    CannotResume,
    FieldViolation,
    InvalidRequest,
    Overloaded,
    PermissionDenied,
    PreconditionFailed,
    ServerError,
    ServerUnavailable,
    SessionExpired,
    Unauthenticated,
    VoiceExists,
    VoiceNotFound,
    VoiceStoreFull,
    from_rpc_error,
    from_status,
    sent_status,
)
from barkserve.errors import BarkserveError
from barkserve.serving.auth.access_control import AccessControl
from barkserve.serving.interceptors import RpcInterceptor
from barkserve.serving.metrics import Metrics
from barkserve.serving.rpc_context import RpcContext
from barkserve.serving.status import as_barkserve_error, to_status
from barkserve.serving.status import from_rpc_error as from_stage_error
from barkserve.v1 import status_pb2, status_pb2_grpc

TARGET = "host:1"
ERRORS: dict[BarkserveError, type[BarkClientError]] = {
    barkserve.errors.InvalidArgument("seed", "must be 0 or more"): InvalidRequest,
    barkserve.errors.TextTooLong("text", "has 300 tokens, the limit is 256"): InvalidRequest,
    barkserve.errors.NothingToSpeak("text", "has no letter"): InvalidRequest,
    barkserve.errors.Unauthenticated("no token"): Unauthenticated,
    barkserve.errors.PermissionDenied("DeleteVoice needs the role x"): PermissionDenied,
    barkserve.errors.KeysUnavailable("the keys could not be fetched"): ServerUnavailable,
    barkserve.errors.NotFound("no voice has the name x"): VoiceNotFound,
    barkserve.errors.AlreadyExists("a voice has the name x"): VoiceExists,
    barkserve.errors.FailedPrecondition("there is no voice store"): PreconditionFailed,
    barkserve.errors.CannotResume("the server has another checkpoint"): CannotResume,
    barkserve.errors.StoreFull("voices", "100 are stored, the limit is 100"): VoiceStoreFull,
    barkserve.errors.StoreUnavailable("the voice store cannot be read"): ServerUnavailable,
    barkserve.errors.Overloaded("64 streams are running", 1.5): Overloaded,
    barkserve.errors.StageUnavailable("the coarse stage cannot be reached"): ServerUnavailable,
    barkserve.errors.OtherCheckpoint("this replica has another revision"): ServerUnavailable,
    barkserve.errors.ReplicaFailed("the device is lost"): ServerUnavailable,
    barkserve.errors.ReplicaStalled("a step did not end within 60 s"): ServerUnavailable,
    barkserve.errors.ShuttingDown(): ServerUnavailable,
    barkserve.errors.IdleTimeout("the call was idle for 300 s"): SessionExpired,
    barkserve.errors.StageFailed("the coarse stage failed"): ServerError,
    barkserve.errors.ModelExecutionFailed("model execution failed"): ServerError,
    barkserve.errors.UnexpectedFailure("unexpected failure"): ServerError,
}
STARTUP = (barkserve.errors.StartupError, barkserve.errors.CheckpointError)
"""These end the process. No client receives them."""


class FailingServicer(status_pb2_grpc.StatusServiceServicer):
    """A service whose RPC raises an error."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    async def GetStatus(
        self, request: status_pb2.GetStatusRequest, context: RpcContext
    ) -> status_pb2.GetStatusResponse:
        """Raise the error."""
        raise self._error


@asynccontextmanager
async def serving(error: Exception) -> AsyncIterator[str]:
    """Serve FailingServicer with barkserve's interceptor; yields the address."""
    server = grpc.aio.server(interceptors=[RpcInterceptor(Metrics("test"), AccessControl())])
    status_pb2_grpc.add_StatusServiceServicer_to_server(FailingServicer(error), server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        await server.stop(grace=None)


async def rpc_error_of(error: Exception) -> grpc.aio.AioRpcError:
    """Return what a client of an RPC that raises `error` gets from gRPC."""
    async with serving(error) as address, grpc.aio.insecure_channel(address) as channel:
        stub = status_pb2_grpc.StatusServiceStub(channel)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.GetStatus(status_pb2.GetStatusRequest())
    return caught.value


def attributes(error: BarkClientError) -> tuple[object, ...]:
    """Return everything that a caller can read from an error."""
    return (type(error), str(error), sorted(vars(error).items()))


def subclasses(kind: type[BarkserveError]) -> set[type[BarkserveError]]:
    """Return all classes of a tree but its root."""
    children = set(kind.__subclasses__())
    return children.union(*map(subclasses, children))


def test_mapping_covers_every_class_of_the_error_tree() -> None:
    assert {type(error) for error in ERRORS} == subclasses(BarkserveError) - set(STARTUP)


@pytest.mark.parametrize("sign", ["x", "\n", "\N{GRINNING FACE}"])
async def test_long_reasons_are_cut_instead_of_lost(sign: str) -> None:
    error = barkserve.errors.InvalidArgument("text", f"must not be {sign * 100_000} at the end")
    caught = await rpc_error_of(error)
    assert caught.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "text must not be" in caught.details().replace(":", "")
    assert caught.details().endswith("at the end")


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
async def test_status_is_the_same_in_a_stream_and_of_an_rpc(error: BarkserveError) -> None:
    rpc_error = await rpc_error_of(error)
    status = to_status(error)
    assert sent_status(rpc_error) == status
    assert (rpc_error.code().value[0], rpc_error.details()) == (status.code, status.message)


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
async def test_client_error_is_the_same_in_a_stream_and_of_an_rpc(error: BarkserveError) -> None:
    of_rpc = from_rpc_error(await rpc_error_of(error), TARGET)
    in_stream = from_status(to_status(error), TARGET)
    assert type(in_stream) is ERRORS[error]
    assert str(error) in str(in_stream)
    assert attributes(in_stream) == attributes(of_rpc)


async def test_client_error_is_the_same_for_blocking_calls() -> None:
    error = barkserve.errors.InvalidArgument("seed", "must be 0 or more")
    async with serving(error) as address:

        def call() -> grpc.RpcError:
            with grpc.insecure_channel(address) as channel:
                stub = status_pb2_grpc.StatusServiceStub(channel)
                with pytest.raises(grpc.RpcError) as caught:
                    stub.GetStatus(status_pb2.GetStatusRequest())
            return caught.value

        rpc_error = await asyncio.to_thread(call)
    in_stream = from_status(to_status(error), TARGET)
    assert attributes(from_rpc_error(rpc_error, TARGET)) == attributes(in_stream)


def test_violation_names_the_field_in_a_stream() -> None:
    error = from_status(to_status(barkserve.errors.InvalidArgument("seed", "is wrong")), TARGET)
    assert isinstance(error, InvalidRequest)
    assert error.violations == (FieldViolation("seed", "is wrong"),)


def test_retry_delay_is_kept_in_a_stream() -> None:
    error = from_status(to_status(barkserve.errors.Overloaded("full", 1.5)), TARGET)
    assert isinstance(error, Overloaded)
    assert error.retry_after_s == 1.5


@pytest.mark.parametrize(
    "error",
    [
        barkserve.errors.TextTooLong("text", "is too long"),
        barkserve.errors.NothingToSpeak("text", "has no letter"),
        barkserve.errors.Overloaded("full", 1.5),
        barkserve.errors.ModelExecutionFailed("model execution failed"),
        barkserve.errors.StageUnavailable("gone"),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_stage_error_keeps_its_class_in_the_orchestrator(error: BarkserveError) -> None:
    received = from_stage_error(await rpc_error_of(error), "semantic")
    assert type(received) is type(error)
    assert {"field", "retry_after_s"} & vars(received).keys() == vars(error).keys() - {
        "description",
        "reason",  # the orchestrator gives its own
    }
    assert getattr(received, "retry_after_s", None) == getattr(error, "retry_after_s", None)


async def test_stage_error_has_the_field_path_of_the_request() -> None:
    error = barkserve.errors.InvalidArgument("sampling.top_k", "must be 0 to 9")
    received = from_stage_error(await rpc_error_of(error), "semantic")
    assert isinstance(received, barkserve.errors.InvalidArgument)
    assert (received.field, received.description) == ("semantic.sampling.top_k", "must be 0 to 9")


async def test_unexpected_exception_is_logged_and_not_sent(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.ERROR):
        rpc_error = await rpc_error_of(ZeroDivisionError("secret"))
    assert rpc_error.code() is grpc.StatusCode.INTERNAL
    assert rpc_error.details() == "unexpected failure; the service's log has the details"
    (record,) = caplog.records
    assert record.getMessage() == "RPC failed unexpectedly"
    assert record.exc_info is not None
    assert isinstance(record.exc_info[1], ZeroDivisionError)


def test_expected_error_is_neither_logged_nor_changed(caplog: pytest.LogCaptureFixture) -> None:
    error = barkserve.errors.NotFound("no such voice")
    assert as_barkserve_error(error, "RPC") is error
    assert caplog.records == []
