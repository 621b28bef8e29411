"""The event loop in virtual time."""

import asyncio
import time

import pytest

from barkserve.simulation.virtual_time import now, run_in_virtual_time


def test_virtual_day_takes_no_time() -> None:
    async def sleep() -> float:
        await asyncio.sleep(86_400)
        return now()

    began = time.monotonic()
    assert run_in_virtual_time(sleep()) == pytest.approx(86_400)
    assert time.monotonic() - began < 10


def test_virtual_time_keeps_the_order_of_events() -> None:
    order = list[str]()

    async def act(name: str, at: float) -> None:
        await asyncio.sleep(at)
        order.append(name)

    async def run() -> None:
        await asyncio.gather(act("third", 0.3), act("first", 0.1), act("second", 0.2))

    run_in_virtual_time(run())
    assert order == ["first", "second", "third"]


def test_virtual_time_reports_a_wait_without_end() -> None:
    async def wait() -> None:
        await asyncio.Event().wait()

    with pytest.raises(RuntimeError, match="never happens"):
        run_in_virtual_time(wait())
