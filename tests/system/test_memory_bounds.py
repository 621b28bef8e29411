"""One caller cannot fill the orchestrator's memory; its resident size is read from the process."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import grpc
import pytest

from barkserve.checkpoint.folder import bundled_checkpoint
from barkserve.v1 import speech_pb2, speech_pb2_grpc
from fixtures.checkpoints import TINY, CheckpointSpec
from fixtures.processes import ServiceProcess, service_process
from tests.support.dialog import FLOATS
from tests.support.services import running_chain

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


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads /proc")
async def test_idle_calls_of_one_caller_are_limited() -> None:
    """A caller that opens 400 calls and leaves them alone gets 100, and the others a reason."""
    async with (
        service_process(
            "orchestrator", bundled_checkpoint(), "--max-calls-per-caller=100"
        ) as service,
        grpc.aio.insecure_channel(service.address) as channel,
    ):
        stub = speech_pb2_grpc.SpeechServiceStub(channel)
        before = resident_bytes(service)
        calls = [stub.StreamingSynthesize() for _ in range(400)]
        ends = [asyncio.create_task(call.code()) for call in calls]
        async with asyncio.timeout(60):
            while sum(end.done() for end in ends) < 300:  # noqa: ASYNC110
                await asyncio.sleep(0.1)
        refused = [call for call, end in zip(calls, ends, strict=True) if end.done()]
        assert len(refused) == 300
        assert await refused[0].code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert "100 open calls" in await refused[0].details()
        assert "--max-calls-per-caller" in await refused[0].details()
        assert resident_bytes(service) - before < 100 * MEBIBYTE
        for call in calls:
            call.cancel()
        await asyncio.gather(*ends, return_exceptions=True)


async def test_clients_that_do_not_read_hold_bounded_audio(
    checkpoint_of: Callable[[CheckpointSpec], Path],
) -> None:
    """The stages stop once the connection's window is full, however long the text is."""
    streams, bytes_per_second = 5, 24_000 * 4
    async with running_chain(checkpoint_of(TINY)) as chain:
        load = chain.services["orchestrator"].load
        request = speech_pb2.SynthesizeRequest(
            text="hello the world. " * 10_000, audio_format=FLOATS
        )
        calls = [chain.speech.Synthesize(request) for _ in range(streams)]
        for call in calls:
            assert (await call.read()).HasField("started")
        made_s = -1.0
        async with asyncio.timeout(120):
            while made_s < load().audio_seconds:  # until no more is made
                made_s = load().audio_seconds
                await asyncio.sleep(3)
        assert 0 < made_s * bytes_per_second < streams * MEBIBYTE
        for call in calls:
            call.cancel()
