"""The autoscaler with a real chain: the answers to KEDA, and the explanations."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import grpc
import pytest

from barkserve.building import autoscaler
from barkserve.config.autoscaler import AutoscalerOptions
from barkserve.constants import STAGES
from barkserve.errors import StartupError
from barkserve.serving.metrics import Metrics
from barkserve.v1 import (
    autoscaler_pb2,
    autoscaler_pb2_grpc,
    speech_pb2,
    status_pb2,
    status_pb2_grpc,
)
from fixtures.checkpoints import TINY, CheckpointSpec, never_ending
from fixtures.keda_client import Keda
from tests.support.services import Chain, RunningService, running_built, running_chain

SPEC = replace(never_ending(TINY), max_new_tokens=400, block_size=1024)


@dataclass
class System:
    chain: Chain
    autoscaler: RunningService

    def keda(self, stage: str) -> Keda:
        return Keda(self.autoscaler.channel, stage)

    async def scaling(self) -> dict[str, autoscaler_pb2.ServiceScaling]:
        stub = autoscaler_pb2_grpc.AutoscalerServiceStub(self.autoscaler.channel)
        response = await stub.GetScaling(autoscaler_pb2.GetScalingRequest())
        return {service.service: service for service in response.services}


@asynccontextmanager
async def running_system(folder: Path, **options: Any) -> AsyncIterator[System]:
    async with AsyncExitStack() as stack:
        chain = await stack.enter_async_context(running_chain(folder))
        addresses = {name: service.address for name, service in chain.services.items()}
        chosen = AutoscalerOptions(**addresses, **options)
        scaler = running_built("autoscaler", lambda m: autoscaler.build(chosen, m))
        yield System(chain, await stack.enter_async_context(scaler))


async def test_keda_sees_streams_start_and_end(
    checkpoint_of: Callable[[CheckpointSpec], Path],
) -> None:
    async with running_system(checkpoint_of(SPEC), idle_seconds=0.5) as system:
        keda = system.keda("coarse")
        metric, target = await keda.target()
        assert target == 1
        assert (await keda.targets().read()).metricSpecs[0].metricName == metric
        pushed = keda.active()
        assert (await pushed.read()).result is False
        assert not await keda.is_active()
        assert await keda.value(metric) == 0
        call = system.chain.speech.Synthesize(speech_pb2.SynthesizeRequest(text="hello", seed=1))
        await call.read()
        assert (await pushed.read()).result is True
        assert await keda.is_active()
        assert await keda.value(metric) > 0
        call.cancel()
        assert (await pushed.read()).result is False
        assert await keda.value(metric) == 0


async def test_unknown_stage_is_rejected_by_name(
    checkpoint_of: Callable[[CheckpointSpec], Path],
) -> None:
    async with running_system(checkpoint_of(TINY)) as system:
        with pytest.raises(grpc.aio.AioRpcError, match="'choir' is not one of") as caught:
            await system.keda("choir").is_active()
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT


def settled(service: autoscaler_pb2.ServiceScaling) -> bool:
    """Whether the replicas of a service have reported the stream and its end."""
    ready = status_pb2.ReplicaStatus.STATE_READY
    reported = all(replica.state == ready for replica in service.replicas)
    return service.active and service.demand == 0 and reported


async def test_scaling_explains_every_decision(
    checkpoint_of: Callable[[CheckpointSpec], Path],
) -> None:
    async with running_system(checkpoint_of(SPEC)) as system:
        call = system.chain.speech.Synthesize(speech_pb2.SynthesizeRequest(text="hello", seed=1))
        assert [response async for response in call]
        scaling = await system.scaling()
        while not all(map(settled, scaling.values())):
            await asyncio.sleep(0.05)
            scaling = await system.scaling()
        metrics = system.autoscaler.metrics.registry
        name, own = "barkserve_wanted_replicas", {"stage": "autoscaler"}
        gauges = {s: metrics.get_sample_value(name, {**own, "service": s}) for s in scaling}
    assert list(scaling) == ["orchestrator", *STAGES]
    for stage in STAGES:
        service = scaling[stage]
        assert [replica.state for replica in service.replicas] == [
            status_pb2.ReplicaStatus.STATE_READY
        ]
        assert service.active
        assert service.reason
        assert service.streams_per_replica > 0
    assert gauges == {name: service.wanted_replicas for name, service in scaling.items()}


async def test_orchestrator_reports_status_of_every_service(
    checkpoint_of: Callable[[CheckpointSpec], Path],
) -> None:
    async with running_chain(checkpoint_of(TINY)) as chain:
        [r async for r in chain.speech.Synthesize(speech_pb2.SynthesizeRequest(text="hello"))]
        response = await _status(chain)
        while any(r.streams or not r.slots for r in response.replicas):
            await asyncio.sleep(0.05)  # the last reports may be older than the end of the stream
            response = await _status(chain)
    assert [replica.service for replica in response.replicas] == ["orchestrator", *STAGES]
    for replica in response.replicas:
        if replica.service != "orchestrator":
            assert replica.address == chain.services[replica.service].address
        assert replica.state == status_pb2.ReplicaStatus.STATE_READY
        assert replica.slots_free == replica.slots > 0


async def _status(chain: Chain) -> status_pb2.GetStatusResponse:
    stub = status_pb2_grpc.StatusServiceStub(chain.services["orchestrator"].channel)
    response: status_pb2.GetStatusResponse = await stub.GetStatus(status_pb2.GetStatusRequest())
    return response


def test_impossible_policies_are_rejected() -> None:
    for wrong in ({"target_utilization": 0.0}, {"target_utilization": 2.0}, {"assumed_streams": 0}):
        with pytest.raises(StartupError, match="--target-utilization"):
            autoscaler.build(AutoscalerOptions(**wrong), Metrics("autoscaler"))
