"""Messages are kept for several readers; failures reach the readers and no log."""

import asyncio
import gc
import logging
from collections.abc import AsyncIterator

import pytest

from barkserve.errors import StageUnavailable
from barkserve.orchestrator.stages.replay import Replay


async def numbers(count: int) -> AsyncIterator[int]:
    for number in range(count):
        yield number


async def failing_when_cancelled() -> AsyncIterator[int]:
    """Turns its cancellation into an error, as a stage call does whose requests failed."""
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        raise StageUnavailable("the fine stage cannot be reached") from None
    yield 0


async def test_replay_gives_each_reader_all_messages() -> None:
    replay = Replay(numbers(3))
    assert [number async for number in replay.read()] == [0, 1, 2]
    assert [number async for number in replay.read()] == [0, 1, 2]
    replay.drop_first()
    assert [number async for number in replay.read()] == [1, 2]


async def test_closed_replay_logs_no_error_of_its_source(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.ERROR)
    replay = Replay(failing_when_cancelled())
    replay.start()
    await asyncio.sleep(0)
    replay.close()
    for _ in range(3):
        await asyncio.sleep(0)
    del replay
    gc.collect()
    assert caplog.records == []
