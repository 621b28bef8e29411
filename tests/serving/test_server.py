"""What every service offers beside its own RPCs: health, reflection, metrics; and how it drains."""

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
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
    ProtoReflectionDescriptorDatabase,
)

from barkserve.errors import StartupError
from barkserve.external import orca_pb2, orca_pb2_grpc
from barkserve.serving.metrics import Metrics
from barkserve.serving.server import Service, bind, calls_ended, publish
from barkserve.v1 import speech_pb2
from fixtures.checkpoints import TINY, CheckpointSpec
from tests.support.services import running, running_chain

SERVICES = {
    "semantic": "barkserve.v1.SemanticService",
    "coarse": "barkserve.v1.CoarseService",
    "fine": "barkserve.v1.FineService",
    "codec": "barkserve.v1.CodecService",
    "orchestrator": "barkserve.v1.SpeechService",
}


@pytest.mark.parametrize(("name", "full_name"), SERVICES.items())
async def test_health_answers_for_the_process_and_the_service(
    checkpoint_of: Callable[[CheckpointSpec], Path], name: str, full_name: str
) -> None:
    async with running(name, checkpoint_of(TINY)) as service:
        stub = health_pb2_grpc.HealthStub(service.channel)
        for asked in ("", full_name):
            answer = await stub.Check(health_pb2.HealthCheckRequest(service=asked))
            assert answer.status == health_pb2.HealthCheckResponse.SERVING
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.Check(health_pb2.HealthCheckRequest(service="barkserve.v1.Nothing"))
        assert caught.value.code() is grpc.StatusCode.NOT_FOUND


@pytest.mark.parametrize(("name", "full_name"), SERVICES.items())
async def test_reflection_describes_the_service(
    checkpoint_of: Callable[[CheckpointSpec], Path], name: str, full_name: str
) -> None:
    async with running(name, checkpoint_of(TINY)) as service:
        names, fields = await _in_thread(_reflect, service.address, full_name)
    assert full_name in names
    assert "grpc.health.v1.Health" in names
    assert "audio" in fields if name == "orchestrator" else "finished" in fields


def test_no_call_is_interrupted_by_the_end_of_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("barkserve.serving.server._LAST_TURNS_S", 60.0)

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
    """As a tool such as grpcurl does: list services, then follow a method to its response's
    fields.
    """
    with grpc.insecure_channel(address) as channel:
        database = ProtoReflectionDescriptorDatabase(channel)
        names = list(database.get_services())
        file = database.FindFileContainingSymbol(full_name)
    fields = [field.name for message in file.message_type for field in message.field]
    return names, fields


async def _in_thread(function: Callable[..., object], *args: object) -> object:
    import asyncio

    return await asyncio.to_thread(function, *args)


async def test_prometheus_scrapes_what_happened(
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
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_a_busy_metrics_port_is_named() -> None:
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(StartupError, match=f"{port}.*--metrics-port"):
            Metrics("codec").serve("127.0.0.1", port)


@pytest.mark.parametrize("option", ["--port", "--health-port"])
def test_a_port_in_use_is_one_line_before_anything_is_loaded(
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
        f"barkserve codec: cannot listen on port {ports[option]} of 127.0.0.1 (Address already in"
        f" use): stop what listens there, or choose another with {option} or --host\n"
    )


async def test_a_host_that_does_not_exist_is_not_called_a_busy_port() -> None:
    server = grpc.aio.server()
    with pytest.raises(StartupError, match=r"999\.1\.1\.1 \(Name or service not known\)"):
        bind(server, "999.1.1.1", 0)
    await server.start()  # one that never began cannot end, and would keep gRPC alive
    await server.stop(grace=None)
