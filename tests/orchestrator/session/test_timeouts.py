"""What comes late does not hold up what is due; failures and ends pass through."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing

import pytest

from barkserve.orchestrator.session.timeouts import in_time


class Source:
    """Yields 1, and 2 when a test says so."""

    def __init__(self) -> None:
        self.go_on = asyncio.Event()
        self.closed = False

    async def items(self) -> AsyncIterator[int]:
        try:
            yield 1
            await self.go_on.wait()
            yield 2
        finally:
            self.closed = True


async def test_nothing_comes_when_it_is_due_and_no_item_is_lost() -> None:
    source = Source()
    timely = in_time(source.items(), lambda: 0.001)
    assert [await anext(timely) for _ in range(3)] == [1, None, None]
    source.go_on.set()
    rest = [item async for item in timely]
    assert [item for item in rest if item] == [2]


async def test_without_a_due_time_it_waits() -> None:
    source = Source()
    timely = in_time(source.items(), lambda: None)
    assert await anext(timely) == 1
    waiting = asyncio.ensure_future(anext(timely))
    done, _ = await asyncio.wait({waiting}, timeout=0.05)
    assert not done
    source.go_on.set()
    assert await waiting == 2


async def test_closing_it_stops_the_wait() -> None:
    source = Source()
    timely = in_time(source.items(), lambda: 0.001)
    async with aclosing(timely):
        assert [await anext(timely), await anext(timely)] == [1, None]
        assert not source.closed
    assert source.closed


async def test_a_failure_passes_through() -> None:
    async def failing() -> AsyncIterator[int]:
        yield 1
        raise ValueError("broken")

    timely = in_time(failing(), lambda: None)
    assert await anext(timely) == 1
    with pytest.raises(ValueError, match="broken"):
        await anext(timely)
