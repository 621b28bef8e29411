"""The order and the failures of work in the model thread, and failed devices."""

import asyncio
import threading
from collections.abc import Callable

import pytest

from barkserve.engine.model_thread import ModelThread


def fail() -> None:
    raise ValueError("this work is wrong")


def failed_probe() -> None:
    raise RuntimeError("CUDA error: an illegal memory access was encountered")


async def device_failed_after_failure(probe: Callable[[], None] | None) -> bool:
    thread = ModelThread(probe=probe)
    waiting = asyncio.create_task(thread.wait_fatal())
    with pytest.raises(ValueError, match="this work is wrong"):
        await thread.run(fail)
    assert await thread.run(max, 1, 2) == 2
    await thread.shutdown()
    failed = waiting.done()
    waiting.cancel()
    return failed


async def test_thread_runs_all_work_after_its_initializer() -> None:
    calls: list[tuple[str, int]] = []
    thread = ModelThread(initializer=lambda: calls.append(("initializer", threading.get_ident())))
    for name in ("one", "two"):
        await thread.run(lambda name: calls.append((name, threading.get_ident())), name)
    await thread.shutdown()
    assert [name for name, _ in calls] == ["initializer", "one", "two"]
    assert len({ident for _, ident in calls}) == 1
    assert calls[0][1] != threading.get_ident()


@pytest.mark.parametrize("probe", [None, lambda: None])
async def test_thread_survives_failed_work_on_a_good_device(
    probe: Callable[[], None] | None,
) -> None:
    assert not await device_failed_after_failure(probe)


async def test_thread_reports_a_failed_device() -> None:
    assert await device_failed_after_failure(failed_probe)
