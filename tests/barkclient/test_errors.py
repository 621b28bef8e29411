"""Every gRPC status becomes an error of the client, with its details."""

import socket

import grpc
import pytest
from google.rpc import code_pb2, status_pb2

from barkclient import (
    AsyncClient,
    BarkClientError,
    Cancelled,
    DeadlineExceeded,
    FieldViolation,
    InvalidRequest,
    Overloaded,
    ServerError,
    ServerUnavailable,
    VoiceNotFound,
)
from barkclient.errors import from_status
from tests.barkclient.scripted_server import (
    PCM,
    TEXT,
    Failure,
    ScriptedSpeech,
    bad_request,
    retry_info,
    serve,
)


async def failure_of(speech: ScriptedSpeech, failure: Failure) -> BarkClientError:
    """Return the error of a reader when the server fails after its last chunk."""
    speech.failure = failure
    async with AsyncClient(speech.target) as client:
        synthesis = client.synthesize(TEXT)
        for _ in PCM:
            await anext(synthesis)
        with pytest.raises(BarkClientError) as raised:
            await anext(synthesis)
    assert isinstance(raised.value.__cause__, grpc.RpcError)
    return raised.value


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (grpc.StatusCode.INVALID_ARGUMENT, InvalidRequest),
        (grpc.StatusCode.NOT_FOUND, VoiceNotFound),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, Overloaded),
        (grpc.StatusCode.UNAVAILABLE, ServerUnavailable),
        (grpc.StatusCode.DEADLINE_EXCEEDED, DeadlineExceeded),
        (grpc.StatusCode.CANCELLED, Cancelled),
        (grpc.StatusCode.INTERNAL, ServerError),
        (grpc.StatusCode.UNIMPLEMENTED, ServerError),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
async def test_status_maps_to_error(
    speech: ScriptedSpeech, code: grpc.StatusCode, kind: type[BarkClientError]
) -> None:
    error = await failure_of(speech, Failure(code, "two\nlines"))
    assert type(error) is kind
    assert "\n" not in str(error)


async def test_connection_broken_at_start_is_unavailable(
    speech: ScriptedSpeech,
) -> None:
    failure = Failure(grpc.StatusCode.INTERNAL, "Internal error from Core")  # grpc.aio's words
    assert isinstance(await failure_of(speech, failure), ServerUnavailable)


async def test_invalid_request_has_field_violations(speech: ScriptedSpeech) -> None:
    details = bad_request(("text", "is empty"), ("seed", "must not be negative"))
    failure = Failure(grpc.StatusCode.INVALID_ARGUMENT, "text: is empty", details)
    error = await failure_of(speech, failure)
    assert isinstance(error, InvalidRequest)
    assert str(error) == "text: is empty"
    assert error.violations == (
        FieldViolation("text", "is empty"),
        FieldViolation("seed", "must not be negative"),
    )


async def test_overloaded_has_retry_delay(speech: ScriptedSpeech) -> None:
    other = bad_request(("text", "another kind of detail"))
    failure = Failure(grpc.StatusCode.RESOURCE_EXHAUSTED, "full", other, retry_info(1.5))
    error = await failure_of(speech, failure)
    assert isinstance(error, Overloaded)
    assert error.retry_after_s == 1.5
    assert str(error) == "full (try again in 1.5 s)"


async def test_overloaded_without_details_has_no_delay(speech: ScriptedSpeech) -> None:
    failure = Failure(grpc.StatusCode.RESOURCE_EXHAUSTED, "full")
    failure.metadata = ()
    error = await failure_of(speech, failure)
    assert isinstance(error, Overloaded)
    assert error.retry_after_s is None


async def test_undecodable_details_are_ignored(speech: ScriptedSpeech) -> None:
    failure = Failure(grpc.StatusCode.INVALID_ARGUMENT, "text: is empty")
    failure.metadata = (("grpc-status-details-bin", b"\xff\xff\xff"),)
    error = await failure_of(speech, failure)
    assert isinstance(error, InvalidRequest)
    assert error.violations == ()


def test_broken_detail_is_ignored_among_others() -> None:
    """The detail has the right type, and its bytes cannot be parsed."""
    status = status_pb2.Status(code=code_pb2.RESOURCE_EXHAUSTED, message="full")
    broken, delay = status.details.add(), status.details.add()
    broken.type_url, broken.value = "type.googleapis.com/google.rpc.RetryInfo", b"\xff\xff"
    delay.Pack(retry_info(2.5))
    error = from_status(status, "localhost")
    assert isinstance(error, Overloaded)
    assert error.retry_after_s == 2.5


async def test_missing_server_is_unavailable() -> None:
    with socket.socket() as taken:  # bound, and not listening
        taken.bind(("127.0.0.1", 0))
        target = f"127.0.0.1:{taken.getsockname()[1]}"
        async with AsyncClient(target) as client:
            expected = f"nothing answers at {target}: start one with `barkserve up`"
            with pytest.raises(ServerUnavailable) as raised:
                await client.synthesize(TEXT).read()
            assert str(raised.value) == expected
            with pytest.raises(ServerUnavailable, match="nothing answers"):
                await client.voices()


async def test_other_service_is_a_server_error() -> None:
    async with serve(None) as target, AsyncClient(target) as client:
        with pytest.raises(ServerError, match="not a barkserve orchestrator"):
            await client.voices()


async def test_call_timeout_raises_deadline_exceeded(speech: ScriptedSpeech) -> None:
    speech.allow(1)
    async with AsyncClient(speech.target, timeout=60) as client:
        with pytest.raises(DeadlineExceeded, match="allow a longer timeout"):
            await client.synthesize(TEXT, timeout=0.1).read()


async def test_client_timeout_raises_deadline_exceeded(speech: ScriptedSpeech) -> None:
    speech.allow(1)
    async with AsyncClient(speech.target, timeout=0.1) as client:
        with pytest.raises(DeadlineExceeded):
            await client.synthesize(TEXT).read()


async def test_too_large_request_is_invalid() -> None:
    options = [("grpc.max_receive_message_length", 1000)]
    async with serve(ScriptedSpeech(), options) as target, AsyncClient(target) as client:
        with pytest.raises(InvalidRequest, match="larger than max"):
            await client.synthesize("a" * 2000).read()


async def test_stream_without_finished_is_an_error(speech: ScriptedSpeech) -> None:
    speech.finishes = False
    async with AsyncClient(speech.target) as client:
        with pytest.raises(ServerError, match="without finishing"):
            await client.synthesize(TEXT).read()


async def test_missing_chunk_is_an_error(speech: ScriptedSpeech) -> None:
    speech.first_samples[1] = 4
    async with AsyncClient(speech.target) as client:
        with pytest.raises(ServerError, match="expected sample 3, received 4"):
            await client.synthesize(TEXT).read()


async def test_missing_last_chunk_is_an_error(speech: ScriptedSpeech) -> None:
    speech.finished.sample_count += 1
    async with AsyncClient(speech.target) as client:
        with pytest.raises(ServerError, match=r"audio is missing: received \d+ of \d+ samples"):
            await client.synthesize(TEXT).read()
