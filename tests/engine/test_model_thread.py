"""The model's thread: its order, its failures, and when a failure means that the device is
lost.
"""

import asyncio
import threading
from collections.abc import Callable

import pytest

from barkserve.engine.model_thread import ModelThread


def fail() -> None:
    raise ValueError("this work is wrong")


def dead() -> None:
    raise RuntimeError("CUDA error: an illegal memory access was encountered")


async def lost_after_failure(probe: Callable[[], None] | None) -> bool:
    thread = ModelThread(probe=probe)
    losing = asyncio.create_task(thread.wait_fatal())
    with pytest.raises(ValueError, match="this work is wrong"):
        await thread.run(fail)
    assert await thread.run(max, 1, 2) == 2
    thread.shutdown()
    wait_fatal = losing.done()
    losing.cancel()
    return wait_fatal


async def test_all_work_is_done_in_one_thread_that_began() -> None:
    seen: list[tuple[str, int]] = []
    thread = ModelThread(initializer=lambda: seen.append(("begin", threading.get_ident())))
    for name in ("one", "two"):
        await thread.run(lambda name: seen.append((name, threading.get_ident())), name)
    thread.shutdown()
    assert [name for name, _ in seen] == ["begin", "one", "two"]
    assert len({ident for _, ident in seen}) == 1
    assert seen[0][1] != threading.get_ident()


@pytest.mark.parametrize("probe", [None, lambda: None])
async def test_work_that_fails_on_a_device_that_lives_changes_nothing(
    probe: Callable[[], None] | None,
) -> None:
    assert not await lost_after_failure(probe)


async def test_a_device_that_gives_no_sign_of_life_is_lost() -> None:
    assert await lost_after_failure(dead)
