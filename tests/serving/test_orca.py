"""Load reports, read by a client that shares no code with barkserve."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import AsyncMock

import grpc
import pytest

from barkserve.external import orca_pb2
from barkserve.serving.load import Load
from barkserve.serving.orca import LoadReporter
from barkserve.v1 import coarse_pb2, coarse_pb2_grpc
from fixtures.checkpoints import TINY, CheckpointSpec, never_ending
from tests.support.fakes import until
from tests.support.services import RunningService, running

READER = Path(__file__).with_name("orca_reader.py")
PYTHON = Path(__file__).parents[2] / ".venv-protos/bin/python"  # has xds-protos
COARSE = replace(never_ending(TINY), max_new_tokens=400, block_size=1024)


async def reports(service: RunningService, count: int) -> list[dict[str, float]]:
    process = await asyncio.create_subprocess_exec(
        str(PYTHON), str(READER), service.address, str(count), stdout=asyncio.subprocess.PIPE
    )
    output, _ = await process.communicate()
    assert process.returncode == 0
    return [json.loads(line) for line in output.splitlines()]


async def test_idle_stage_reports_its_capacity(
    checkpoint_of: Callable[[CheckpointSpec], Path],
) -> None:
    async with running("coarse", checkpoint_of(TINY), slots=3, max_streams=7) as service:
        received = await reports(service, 2)
    expected = {
        "utilization": 0, "streams": 0, "taken": 0, "capacity": 7, "slots": 3, "slots_free": 3,
        "queue": 0, "backlog_seconds": 0, "audio_seconds": 0, "offloaded": 0, "draining": 0,
        "chunk_first": 0, "chunk_growth": 0, "chunk_most": 0, "chunk_lookahead": 0,
    }  # fmt: skip
    warm_up = {(report.pop("busy_seconds"), report.pop("bursts")) for report in received}
    sent_at = [report.pop("unix_seconds") for report in received]
    assert received == [expected, expected]
    assert sent_at[0] < sent_at[1]
    assert len(warm_up) == 1  # it computed during warm-up, and does not now


async def test_streams_backlog_and_made_audio_are_reported(
    checkpoint_of: Callable[[CheckpointSpec], Path],
) -> None:
    request = coarse_pb2.CoarseServiceGenerateRequest
    async with running("coarse", checkpoint_of(COARSE)) as service:
        held = asyncio.Event()

        async def requests() -> Any:
            yield request(config=coarse_pb2.CoarseConfig(seed=1))
            yield request(semantic=coarse_pb2.SemanticInput(tokens=[1] * 20))
            await held.wait()

        stub = coarse_pb2_grpc.CoarseServiceStub(service.channel)
        call = stub.Generate(requests())
        await until(lambda: service.load().backlog_seconds > 0)
        (waiting,) = await reports(service, 1)
        held.set()
        frames = [len(r.frames.codes) // 2 async for r in call]
        (done,) = await reports(service, 1)
    assert waiting["streams"] == 1
    assert waiting["backlog_seconds"] > 0
    assert (done["streams"], done["taken"], done["backlog_seconds"]) == (0, 1, 0)
    assert done["audio_seconds"] == pytest.approx(sum(frames) / TINY.coarse_rate_hz)
    assert done["busy_seconds"] > 0


async def test_final_report_says_draining() -> None:
    reporter = LoadReporter(lambda: Load(streams=2, capacity=4))
    context = AsyncMock(spec=grpc.aio.ServicerContext)
    stream = reporter.StreamCoreMetrics(orca_pb2.OrcaLoadReportRequest(), context)
    first = Load.from_report(await anext(stream))
    reporter.drain()
    rest = [Load.from_report(report) async for report in stream]
    assert first == Load(streams=2, capacity=4)
    assert rest == [Load(streams=2, capacity=4, draining=1)]
