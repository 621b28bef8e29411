"""Idle offload of stages over gRPC.

Stages on a CPU refuse it, because it frees no memory. The tests permit it: the CPU's memory stands
in for the GPU's.
"""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from barkserve.building import stage as building_stage
from barkserve.config.up import UpOptions
from barkserve.constants import STAGES
from barkserve.engine.offload import Offload
from barkserve.errors import StartupError
from barkserve.services import service_named
from barkserve.up.plan import plan_services
from barkserve.v1 import coarse_pb2, coarse_pb2_grpc, common_pb2, speech_pb2
from fixtures.checkpoints import TINY, CheckpointSpec
from tests.support.fakes import Gate, until
from tests.support.services import Chain, Metrics, RunningService, running, running_chain

CheckpointOf = Callable[[CheckpointSpec], Path]
REQUEST = coarse_pb2.CoarseServiceGenerateRequest


@pytest.fixture
def permit_on_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(building_stage, "check_offload", lambda device, idle_seconds: None)


def offloaded(service: RunningService, stage: str) -> bool:
    return service.metric("barkserve_weights_resident", stage=stage) == 0


def freed_bytes(service: RunningService, stage: str) -> float:
    """Known when an offload has ended; the weights are not resident from its start."""
    return service.metric("barkserve_offload_freed_bytes", stage=stage)


async def all_offloaded(chain: Chain) -> None:
    for stage in STAGES:
        await until(lambda stage=stage: offloaded(chain.services[stage], stage))


async def spoken(chain: Chain, seed: int = 3, text: str = "hello world") -> bytes:
    request = speech_pb2.SynthesizeRequest(text=text, seed=seed)
    responses = [response async for response in chain.speech.Synthesize(request)]
    return b"".join(response.audio.audio for response in responses)


async def healthy(service: RunningService) -> bool:
    stub = health_pb2_grpc.HealthStub(service.channel)
    response = await stub.Check(health_pb2.HealthCheckRequest())
    return response.status == health_pb2.HealthCheckResponse.SERVING


@pytest.mark.parametrize("service", STAGES)
def test_stage_refuses_idle_offload_on_a_cpu(service: str) -> None:
    entry = service_named(service)
    options: Any = entry.options
    build = import_module(entry.builder).build
    with pytest.raises(StartupError, match=r"--offload-idle-seconds.*--device cuda"):
        build(options(offload_idle_seconds=60.0), Metrics(service))


def test_up_checks_and_passes_on_idle_offload() -> None:
    with pytest.raises(StartupError, match="--offload-idle-seconds"):
        plan_services(UpOptions(port=0, http_port=0, offload_idle_seconds=60.0))
    options = UpOptions(port=0, http_port=0, device="cuda", offload_idle_seconds=60.0)
    for member in plan_services(options):
        given = "--offload-idle-seconds=60.0" in member.arguments
        assert given is (member.name in STAGES)


@pytest.mark.usefixtures("permit_on_cpu")
async def test_audio_is_the_same_after_offload(checkpoint_of: CheckpointOf) -> None:
    async with running_chain(checkpoint_of(TINY)) as chain:
        expected = await asyncio.gather(*(spoken(chain, seed) for seed in range(6)))
    async with running_chain(checkpoint_of(TINY), offload_idle_seconds=0.05) as chain:
        for _ in range(2):
            await all_offloaded(chain)
            for stage in STAGES:
                service = chain.services[stage]
                assert await healthy(service)
                assert service.load().offloaded == 1
                await until(lambda s=service, n=stage: freed_bytes(s, n) > 10_000)
            assert await spoken(chain, 3) == expected[3]
        await all_offloaded(chain)
        together = await asyncio.gather(*(spoken(chain, seed) for seed in range(6)))
        assert together == expected
        for stage in STAGES:
            service = chain.services[stage]
            assert service.metric("barkserve_offload_reload_seconds", stage=stage) > 0
            failed = service.metric("barkserve_requests_total", stage=stage, outcome="INTERNAL")
            assert failed == 0


async def coarse_codes(service: RunningService, seed: int = 1) -> list[int]:
    async def requests() -> AsyncIterator[coarse_pb2.CoarseServiceGenerateRequest]:
        config = coarse_pb2.CoarseConfig(seed=seed, sampling=common_pb2.Sampling(temperature=1.0))
        yield REQUEST(config=config)
        yield REQUEST(semantic=coarse_pb2.SemanticInput(tokens=range(20)))

    stub = coarse_pb2_grpc.CoarseServiceStub(service.channel)
    return [code async for response in stub.Generate(requests()) for code in response.frames.codes]


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Gate:
    """Blocks each offload and reload of a model."""
    gate = Gate()

    def gated(move: Callable[[Offload], Any]) -> Callable[[Offload], Any]:
        def moving(offload: Offload) -> Any:
            gate()
            return move(offload)

        return moving

    monkeypatch.setattr(Offload, "offload", gated(Offload.offload))
    monkeypatch.setattr(Offload, "reload", gated(Offload.reload))
    return gate


@pytest.mark.usefixtures("permit_on_cpu")
async def test_streams_survive_offload_at_any_moment(
    checkpoint_of: CheckpointOf, gate: Gate
) -> None:
    async with running("coarse", checkpoint_of(TINY)) as plain:
        expected = await coarse_codes(plain)
    assert len(expected) > 20
    options = {"offload_idle_seconds": 0.05}
    async with running("coarse", checkpoint_of(TINY), **options) as service:

        def streams() -> float:
            return service.metric("barkserve_streams", stage="coarse")

        try:
            # It is blocked at the gate while it offloads.
            await until(lambda: offloaded(service, "coarse"))
            during_offload = [asyncio.create_task(coarse_codes(service)) for _ in range(3)]
            await until(lambda: streams() == 3)
            gate.let()
            during_reload = asyncio.create_task(coarse_codes(service))
            await until(lambda: streams() == 4)
            assert offloaded(service, "coarse")
            during_offload[0].cancel()
            await until(lambda: streams() == 3)
            gate.let()
            assert await asyncio.gather(*during_offload[1:], during_reload) == [expected] * 3
            assert service.metric("barkserve_slots_free", stage="coarse") == 16
        finally:
            gate.open()


@pytest.mark.usefixtures("permit_on_cpu")
async def test_failed_reload_fails_only_its_stream(
    checkpoint_of: CheckpointOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    reload, full = Offload.reload, asyncio.Event()

    def scarce(offload: Offload) -> None:
        if full.is_set():
            raise MemoryError("others have it")
        reload(offload)

    full.set()

    monkeypatch.setattr(Offload, "reload", scarce)
    async with running("coarse", checkpoint_of(TINY), offload_idle_seconds=0.05) as service:
        await until(lambda: offloaded(service, "coarse"))
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await coarse_codes(service)
        assert caught.value.code() is grpc.StatusCode.INTERNAL
        assert "could not be reloaded to its device" in caught.value.details()
        full.clear()
        assert len(await coarse_codes(service)) > 20


@pytest.mark.usefixtures("permit_on_cpu")
async def test_stage_stops_while_its_model_reloads(checkpoint_of: CheckpointOf, gate: Gate) -> None:
    async with running("coarse", checkpoint_of(TINY), offload_idle_seconds=0.05) as service:
        gate.let()
        await until(lambda: offloaded(service, "coarse"))
        task = asyncio.create_task(coarse_codes(service))
        await until(lambda: service.metric("barkserve_streams", stage="coarse") == 1)
        await service.server.stop(grace=None)
        threading.Timer(0.05, gate.open).start()  # the reload ends while the stage waits for it
        with pytest.raises(grpc.aio.AioRpcError):
            await task
