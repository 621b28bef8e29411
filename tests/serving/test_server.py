"""What every service serves besides its own RPCs: health, reflection and metrics."""

import asyncio
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
    ProtoReflectionDescriptorDatabase,
)

from barkserve.errors import StartupError
from barkserve.external import orca_pb2, orca_pb2_grpc
from barkserve.services import GRPC_SERVICES, ORCHESTRATOR, ServiceEntry
from barkserve.serving.metrics import Metrics
from barkserve.serving.ports import bind
from barkserve.serving.publishing import publish
from barkserve.serving.server import calls_ended
from barkserve.serving.service import Service
from barkserve.v1 import speech_pb2
from fixtures.checkpoints import TINY, CheckpointSpec
from tests.support.services import running, running_chain

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
SPEAKING = [entry for entry in GRPC_SERVICES if entry.runs_in_up]


@pytest.mark.parametrize("entry", SPEAKING, ids=lambda entry: entry.name)
async def test_health_covers_the_process_and_the_service(
    checkpoint_of: Callable[[CheckpointSpec], Path], entry: ServiceEntry
) -> None:
    async with running(entry.name, checkpoint_of(TINY)) as service:
        stub = health_pb2_grpc.HealthStub(service.channel)
        for asked in ("", entry.full_name):
            answer = await stub.Check(health_pb2.HealthCheckRequest(service=asked))
            # This orchestrator reaches no stage, so it is alive but not ready.
            ready = not asked or entry.name != "orchestrator"
            assert answer.status == (SERVING if ready else NOT_SERVING)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.Check(health_pb2.HealthCheckRequest(service="barkserve.v1.Nothing"))
        assert caught.value.code() is grpc.StatusCode.NOT_FOUND


@pytest.mark.parametrize("entry", SPEAKING, ids=lambda entry: entry.name)
async def test_reflection_describes_the_service(
    checkpoint_of: Callable[[CheckpointSpec], Path], entry: ServiceEntry
) -> None:
    async with running(entry.name, checkpoint_of(TINY)) as service:
        names, fields = await _in_thread(_reflect, service.address, entry.full_name)
    assert entry.full_name in names
    assert "grpc.health.v1.Health" in names
    assert "audio" in fields if entry is ORCHESTRATOR else "finished" in fields


async def test_reflection_can_be_turned_off() -> None:
    port = _free_port()
    words = ["orchestrator", f"--port={port}", "--metrics-port=0", "--reflection=off"]
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "barkserve", *words)
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            health = health_pb2_grpc.HealthStub(channel)
            request = health_pb2.HealthCheckRequest()
            await health.Check(request, wait_for_ready=True, timeout=60)
            call = reflection_pb2_grpc.ServerReflectionStub(channel).ServerReflectionInfo(
                iter([reflection_pb2.ServerReflectionRequest(list_services="*")])
            )
            assert await call.code() is grpc.StatusCode.UNIMPLEMENTED
    finally:
        process.terminate()
        await process.wait()


def test_calls_end_before_the_event_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("barkserve.serving.server._GRPC_TASKS_S", 60.0)

    async def run(stack: ExitStack) -> "set[asyncio.Task[Any]]":
        server = grpc.aio.server()
        port = bind(server, "127.0.0.1", 0)
        await publish(server, Service("barkserve.v1.Nothing", lambda server: None))
        await server.start()
        channel = stack.enter_context(grpc.insecure_channel(f"127.0.0.1:{port}"))
        reports: Any = orca_pb2_grpc.OpenRcaServiceStub(channel).StreamCoreMetrics
        for call in [reports(orca_pb2.OrcaLoadReportRequest()) for _ in range(4)]:
            await asyncio.to_thread(next, call)
        await server.stop(grace=0.1)
        await calls_ended()
        return asyncio.all_tasks() - {asyncio.current_task()}

    with ExitStack() as stack:
        assert asyncio.run(run(stack)) == set()


def _reflect(address: str, full_name: str) -> tuple[list[str], list[str]]:
    """List the services, and the fields of this one's messages, as grpcurl does."""
    with grpc.insecure_channel(address) as channel:
        database = ProtoReflectionDescriptorDatabase(channel)
        names = list(database.get_services())
        file = database.FindFileContainingSymbol(full_name)
    fields = [field.name for message in file.message_type for field in message.field]
    return names, fields


async def _in_thread(function: Callable[..., object], *args: object) -> object:
    return await asyncio.to_thread(function, *args)


async def test_metrics_count_requests_and_outputs(
    checkpoint_of: Callable[[CheckpointSpec], Path],
) -> None:
    async with running_chain(checkpoint_of(TINY)) as chain:
        request = speech_pb2.SynthesizeRequest(text="hello", seed=1)
        responses = [response async for response in chain.speech.Synthesize(request)]
        wrong = chain.speech.Synthesize(speech_pb2.SynthesizeRequest(text=""))
        with pytest.raises(grpc.aio.AioRpcError):
            await wrong.read()
        tokens = responses[-1].finished.stages[0].output_count
        samples = responses[-1].finished.sample_count
        pages = {name: await _scrape(service.metrics) for name, service in chain.services.items()}
    assert f'barkserve_outputs_total{{stage="semantic"}} {float(tokens)}' in pages["semantic"]
    assert 'barkserve_slots_free{stage="coarse"} 16.0' in pages["coarse"]
    assert 'barkserve_queue_depth{stage="fine"} 0.0' in pages["fine"]
    assert 'barkserve_first_output_seconds_count{stage="codec"} 1.0' in pages["codec"]
    speech = pages["orchestrator"]
    assert 'barkserve_requests_total{outcome="OK",stage="orchestrator"} 1.0' in speech
    assert 'barkserve_requests_total{outcome="INVALID_ARGUMENT",stage="orchestrator"} 1.0' in speech
    assert f'barkserve_outputs_total{{stage="orchestrator"}} {float(samples)}' in speech


async def _scrape(metrics: Metrics) -> str:
    port = _free_port()
    stop = metrics.serve("127.0.0.1", port)
    try:
        return str(await _in_thread(_get, f"http://127.0.0.1:{port}/metrics"))
    finally:
        await _in_thread(stop)


def _get(address: str) -> str:
    with urllib.request.urlopen(address) as page:
        return page.read().decode()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_metrics_port_in_use_is_named() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(StartupError, match=f"{port}.*--metrics-port"):
            Metrics("codec").serve("127.0.0.1", port)


@pytest.mark.parametrize("option", ["--port", "--health-port"])
def test_port_in_use_is_one_line_before_loading(
    checkpoint_of: Callable[[CheckpointSpec], Path], option: str
) -> None:
    ports = {"--port": 0, "--metrics-port": 0}
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        ports[option] = taken.getsockname()[1]
        words = [f"{name}={port}" for name, port in ports.items()]
        result = subprocess.run(
            [
                sys.executable,
                "-m",
                "barkserve",
                "codec",
                f"--checkpoint={checkpoint_of(TINY)}",
                *words,
            ],
            capture_output=True,
            text=True,
            timeout=60,
        )
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr == (
        f"barkserve codec: cannot listen on port {ports[option]} of 127.0.0.1 (Address already in "
        f"use): stop the program that uses it, or choose another with {option} or --host\n"
    )


async def test_unknown_host_is_not_reported_as_port_in_use() -> None:
    server = grpc.aio.server()
    with pytest.raises(StartupError, match=r"999\.1\.1\.1 \(Name or service not known\)"):
        bind(server, "999.1.1.1", 0)
    await server.start()  # a server that never starts cannot stop, and keeps gRPC alive
    await server.stop(grace=None)
