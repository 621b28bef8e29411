"""One caller cannot fill the orchestrator's memory; its resident size is read from the process."""

from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest

from barkserve.checkpoint.folder import bundled_checkpoint
from barkserve.v1 import speech_pb2, speech_pb2_grpc
from fixtures.processes import ServiceProcess, service_process

MEBIBYTE = 1 << 20
ALLOWED_GROWTH = 300 * MEBIBYTE  # messages in flight; all ids together are 600


def resident_bytes(service: ServiceProcess) -> int:
    """The resident memory of a process (Linux)."""
    status = Path(f"/proc/{service.process.pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) * 1024


async def unknown_contexts(
    count: int, id_bytes: int
) -> AsyncIterator[speech_pb2.StreamingSynthesizeRequest]:
    """Text for contexts that were never opened, each with an id of its own."""
    for number in range(count):
        id_ = f"{number}".ljust(id_bytes, "x")
        yield speech_pb2.StreamingSynthesizeRequest(context_id=id_, text="no config")


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads /proc")
async def test_orchestrator_memory_stays_flat_under_long_ids() -> None:
    async with (
        service_process("orchestrator", bundled_checkpoint()) as service,
        grpc.aio.insecure_channel(
            service.address, options=[("grpc.max_receive_message_length", 8 * MEBIBYTE)]
        ) as channel,
    ):
        stub = speech_pb2_grpc.SpeechServiceStub(channel)
        async for response in stub.StreamingSynthesize(unknown_contexts(10, 8)):
            assert response.WhichOneof("response") == "error"
        before = resident_bytes(service)
        failures = 0
        async for response in stub.StreamingSynthesize(unknown_contexts(200, 3 * MEBIBYTE)):
            assert response.WhichOneof("response") == "error"
            failures += 1
            assert resident_bytes(service) - before < ALLOWED_GROWTH
        assert failures == 200
