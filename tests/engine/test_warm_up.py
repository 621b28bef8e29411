"""A service warms up before it reports ready."""

import logging
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from barkserve.engine.warm_up import start_with_warm_up
from fixtures.checkpoints import TINY, CheckpointSpec
from tests.support.services import running


async def test_warm_up_runs_one_generation_and_logs_memory(
    caplog: pytest.LogCaptureFixture,
) -> None:
    order: list[str] = []

    async def start() -> None:
        order.append("started")

    async def generate() -> AsyncIterator[str]:
        order.append("generating")
        yield "dropped"
        order.append("ended")

    with caplog.at_level(logging.INFO):
        await start_with_warm_up(start, generate, "weights 7 MB")()
    assert order == ["started", "generating", "ended"]
    assert "weights 7 MB" in caplog.text


@pytest.mark.parametrize("stage", ["semantic", "coarse", "fine", "codec"])
async def test_stage_warms_up_and_logs_memory(
    stage: str, checkpoint_of: Callable[[CheckpointSpec], Path], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, logger="barkserve"):
        async with running(stage, checkpoint_of(TINY)) as service:
            assert service.metric("barkserve_outputs_total", stage=stage) == 0
    assert "warm after" in caplog.text
    assert ("cache" in caplog.text) == (stage in ("semantic", "coarse"))
