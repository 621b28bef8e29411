"""Bytes that are not a protobuf message get a typed status, on every method of every service."""

from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import grpc
import pytest
from google.protobuf import descriptor_pool
from google.protobuf.descriptor import MethodDescriptor
from google.rpc import error_details_pb2, status_pb2

from barkserve.config.orchestrator import OrchestratorOptions
from barkserve.config.stages import CoarseOptions
from barkserve.services import GRPC_SERVICES, ServiceEntry
from barkserve.serving import orca
from fixtures.checkpoints import TINY, CheckpointSpec
from tests.support.services import running

GARBAGE = b"\xff\xff\xff\xff not a message"
GRPC_LIMIT = 4 << 20
HEALTH = "grpc.health.v1.Health"
SPEAKING = [entry for entry in GRPC_SERVICES if entry.runs_in_up]


def methods(entry: ServiceEntry, *others: str) -> Iterator[MethodDescriptor]:
    """All methods of a service's own gRPC services, and of others."""
    pool = descriptor_pool.Default()
    for name in (entry.full_name, *entry.extra_services, *others):
        yield from pool.FindServiceByName(name).methods


async def once(request: bytes) -> AsyncIterator[bytes]:
    yield request


async def call(channel: grpc.aio.Channel, method: MethodDescriptor, request: bytes) -> None:
    """Send a request to a method and read all responses."""
    path = f"/{method.containing_service.full_name}/{method.name}"
    if method.client_streaming:
        async for _ in channel.stream_stream(path)(once(request), timeout=30):
            pass
    elif method.server_streaming:
        async for _ in channel.unary_stream(path)(request, timeout=30):
            pass
    else:
        await channel.unary_unary(path)(request, timeout=30)


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
                await call(service.channel, method, GARBAGE)
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


@pytest.mark.parametrize("entry", SPEAKING, ids=lambda entry: entry.name)
async def test_slow_requests_are_refused_before_parsing(
    checkpoint_of: Callable[[CheckpointSpec], Path], entry: ServiceEntry
) -> None:
    """Parsing groups takes 40 ms/MB, in which the event loop does nothing else."""
    limit = entry.options().max_request_bytes
    large, groups = b"\xfa\x7f" + b"\xff\xff\xff\x01" + bytes(limit), b"\x7b\x7c" * 40_000
    async with running(entry.name, checkpoint_of(TINY)) as service:
        for method in methods(entry, HEALTH, orca.SERVICE_NAME):
            health = method.containing_service.full_name == HEALTH
            reasons = ["service is 4096"] * 2 if health else ["has groups", f"service is {limit}"]
            for request, reason in zip((groups, large), reasons, strict=True):
                if len(request) > GRPC_LIMIT:
                    continue
                with pytest.raises(grpc.aio.AioRpcError) as caught:
                    await call(service.channel, method, request)
                assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT, method.full_name
                assert reason in (caught.value.details() or "")


def test_request_limits_hold_what_the_options_allow() -> None:
    assert CoarseOptions().max_request_bytes == 262_144
    voice, options = 1_049_600, 65_536
    orchestrator = OrchestratorOptions(max_text_characters=10_000)
    assert orchestrator.max_request_bytes == 40_000 + voice + options
    assert OrchestratorOptions().max_request_bytes == GRPC_LIMIT


async def test_listing_health_is_refused_without_traceback(
    tiny_folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with running("orchestrator", tiny_folder) as service:
        listing = service.channel.unary_unary("/grpc.health.v1.Health/List")
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await listing(b"", timeout=30)
        assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED
        assert "call Check" in (caught.value.details() or "")
    assert "Traceback" not in caplog.text
