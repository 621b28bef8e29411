"""A service whose model or event loop hangs ends with exit code 75, so that it is started again."""

import asyncio
import re
import signal
import time
from collections.abc import Callable
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from barkserve.errors import ReplicaStalled
from barkserve.serving.health import health_check
from barkserve.serving.metrics import Metrics
from barkserve.serving.watchdog import watching_event_loop
from fixtures.checkpoints import TINY, CheckpointSpec
from fixtures.processes import service_process
from tests.serving.test_lost_device import outputs
from tests.support.hanging import hanging

ENDED_S = 60.0


async def seen_health(channel: grpc.aio.Channel) -> list[int]:
    """The states of a process in the order in which they were reported, until it ends."""
    states: list[int] = []
    try:
        async for each in health_pb2_grpc.HealthStub(channel).Watch(
            health_pb2.HealthCheckRequest()
        ):
            states.append(each.status)
    except grpc.aio.AioRpcError:
        pass
    return states


@pytest.mark.parametrize("stage", ["coarse", "codec"])
async def test_stage_ends_when_its_model_hangs(
    checkpoint_of: Callable[[CheckpointSpec], Path],
    tmp_path: Path,
    stage: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    hung = tmp_path / "hung"
    launch = hanging(hung, "model")
    flags = ("--threads=1", "--step-timeout-seconds=2")
    async with (
        service_process(stage, checkpoint_of(TINY), *flags, launch=launch) as service,
        grpc.aio.insecure_channel(service.address) as channel,
    ):
        health = asyncio.create_task(seen_health(channel))
        assert await outputs(stage, channel) > 1
        hung.touch()
        with pytest.raises(grpc.aio.AioRpcError, match=r"did not end within 2 s") as ended:
            await outputs(stage, channel)
        assert ended.value.code() is grpc.StatusCode.UNAVAILABLE
        assert await asyncio.wait_for(service.process.wait(), ENDED_S) == ReplicaStalled.exit_code
        serving, not_serving = health_pb2.HealthCheckResponse.ServingStatus.values()[1:3]
        assert await health == [serving, not_serving]
    log = capsys.readouterr().err
    assert re.search(r"CRITICAL a step of the model did not end .*--step-timeout-seconds", log)
    assert " in hang_here" in log


async def test_stage_survives_steps_below_the_timeout(
    checkpoint_of: Callable[[CheckpointSpec], Path], tmp_path: Path
) -> None:
    hung = tmp_path / "hung"
    launch = hanging(hung, "model")
    flags = ("--threads=1", "--step-timeout-seconds=30")
    async with (
        service_process("coarse", checkpoint_of(TINY), *flags, launch=launch) as service,
        grpc.aio.insecure_channel(service.address) as channel,
    ):
        hung.touch()
        slow = asyncio.create_task(outputs("coarse", channel))
        await asyncio.sleep(1.0)
        hung.unlink()
        assert await slow > 1
        assert service.process.returncode is None


async def test_drain_ends_when_the_model_hangs(
    checkpoint_of: Callable[[CheckpointSpec], Path], tmp_path: Path
) -> None:
    hung = tmp_path / "hung"
    launch = hanging(hung, "model")
    flags = ("--threads=1", "--step-timeout-seconds=2", "--drain-seconds=600")
    async with (
        service_process("coarse", checkpoint_of(TINY), *flags, launch=launch) as service,
        grpc.aio.insecure_channel(service.address) as channel,
    ):
        hung.touch()
        stream = asyncio.create_task(outputs("coarse", channel))
        await asyncio.sleep(0.5)
        service.process.terminate()
        with pytest.raises(grpc.aio.AioRpcError):
            await stream
        assert await asyncio.wait_for(service.process.wait(), ENDED_S) == ReplicaStalled.exit_code


async def test_service_ends_when_its_event_loop_hangs(
    checkpoint_of: Callable[[CheckpointSpec], Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The orchestrator shows it for every service: they all run the same server."""
    hung = tmp_path / "hung"
    launch = hanging(hung, "event loop")
    flags = ("--event-loop-timeout-seconds=2",)
    async with (
        service_process("orchestrator", checkpoint_of(TINY), *flags, launch=launch) as service,
        grpc.aio.insecure_channel(service.address) as channel,
    ):
        check = health_check(channel)
        assert (await check(health_pb2.HealthCheckRequest(), timeout=10)).status
        hung.touch()
        reports = asyncio.create_task(read_reports(channel))
        assert await asyncio.wait_for(service.process.wait(), ENDED_S) == ReplicaStalled.exit_code
        reports.cancel()
    log = capsys.readouterr().err
    assert re.search(r"CRITICAL the event loop has been blocked for 2 s", log)
    assert " in hang_here" in log


async def read_reports(channel: grpc.aio.Channel) -> None:
    """Ask for load reports; the patched service hangs in this call."""
    method = channel.unary_stream("/xds.service.orca.v3.OpenRcaService/StreamCoreMetrics")
    async for _ in method(b""):
        pass


async def test_stopped_service_continues_after_its_stop(
    checkpoint_of: Callable[[CheckpointSpec], Path],
) -> None:
    """A stop, or a suspended computer, is not a hang."""
    flags = ("--threads=1", "--step-timeout-seconds=1", "--event-loop-timeout-seconds=1")
    async with (
        service_process("coarse", checkpoint_of(TINY), *flags) as service,
        grpc.aio.insecure_channel(service.address) as channel,
    ):
        stream = asyncio.create_task(outputs("coarse", channel))
        await asyncio.sleep(0.2)
        service.process.send_signal(signal.SIGSTOP)
        await asyncio.sleep(4.0)
        service.process.send_signal(signal.SIGCONT)
        assert await stream > 1
        await asyncio.sleep(2.0)
        assert service.process.returncode is None
        assert await outputs("coarse", channel) > 1


async def test_delays_of_the_event_loop_are_recorded() -> None:
    metrics = Metrics("coarse")
    with watching_event_loop(metrics, 0.0):
        await asyncio.sleep(0.2)
        time.sleep(0.5)  # noqa: ASYNC251
        await asyncio.sleep(0.2)
    labels = {"stage": "coarse"}
    value = metrics.registry.get_sample_value
    count = value("barkserve_event_loop_lag_seconds_count", labels) or 0
    below = value("barkserve_event_loop_lag_seconds_bucket", {**labels, "le": "0.2"}) or 0
    assert count > below  # at least the one that blocked
    assert (value("barkserve_event_loop_longest_lag_seconds", labels) or 0) > 0.4
    assert (value("barkserve_event_loop_longest_cpu_seconds", labels) or 1) < 0.4
