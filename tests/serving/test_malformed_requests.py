"""Bytes that are not a protobuf message get a typed status, on every method of every service."""

from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import grpc
import pytest
from google.protobuf import descriptor_pool
from google.protobuf.descriptor import MethodDescriptor
from google.rpc import error_details_pb2, status_pb2

from barkserve.services import SERVICES, ServiceEntry
from fixtures.checkpoints import TINY, CheckpointSpec
from tests.support.services import running

GARBAGE = b"\xff\xff\xff\xff not a message"
SPEAKING = [entry for entry in SERVICES if entry.runs_in_up]


def methods(entry: ServiceEntry) -> Iterator[MethodDescriptor]:
    """All methods of a service's own gRPC services."""
    pool = descriptor_pool.Default()
    for name in (entry.full_name, *entry.extra_services):
        yield from pool.FindServiceByName(name).methods


async def garbage() -> AsyncIterator[bytes]:
    yield GARBAGE


async def call(channel: grpc.aio.Channel, method: MethodDescriptor) -> None:
    """Send GARBAGE to a method and read all responses."""
    path = f"/{method.containing_service.full_name}/{method.name}"
    if method.client_streaming:
        async for _ in channel.stream_stream(path)(garbage(), timeout=30):
            pass
    elif method.server_streaming:
        async for _ in channel.unary_stream(path)(GARBAGE, timeout=30):
            pass
    else:
        await channel.unary_unary(path)(GARBAGE, timeout=30)


@pytest.mark.parametrize("entry", SPEAKING, ids=lambda entry: entry.name)
async def test_malformed_requests_get_a_typed_status(
    checkpoint_of: Callable[[CheckpointSpec], Path],
    entry: ServiceEntry,
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with running(entry.name, checkpoint_of(TINY)) as service:
        called = list(methods(entry))
        for method in called:
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await call(service.channel, method)
            error = caught.value
            assert error.code() is grpc.StatusCode.INVALID_ARGUMENT, method.full_name
            assert "protobuf" in (error.details() or "")
            details = dict(error.trailing_metadata() or ())["grpc-status-details-bin"]
            violation = error_details_pb2.BadRequest()
            assert status_pb2.Status.FromString(details).details[0].Unpack(violation)
            assert violation.field_violations[0].field == "request"
        refused = service.metric(
            "barkserve_requests_total", stage=entry.name, outcome="INVALID_ARGUMENT"
        )
        assert refused == len(called)
    assert "Traceback" not in caplog.text
