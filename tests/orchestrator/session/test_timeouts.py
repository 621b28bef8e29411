"""Iteration with time limits: yields None on time, loses no item, and passes errors on."""

import asyncio
import gc
from collections.abc import AsyncIterator
from contextlib import aclosing

import pytest

from barkserve.orchestrator.session.timeouts import with_timeouts


class Source:
    """Yields 1, then 2 once `released` is set."""

    def __init__(self) -> None:
        self.released = asyncio.Event()
        self.closed = False

    async def items(self) -> AsyncIterator[int]:
        try:
            yield 1
            await self.released.wait()
            yield 2
        finally:
            self.closed = True


async def test_with_timeouts_yields_none_and_loses_no_item() -> None:
    source = Source()
    timed = with_timeouts(source.items(), lambda: 0.001)
    assert [await anext(timed) for _ in range(3)] == [1, None, None]
    source.released.set()
    rest = [item async for item in timed]
    assert [item for item in rest if item] == [2]


async def test_with_timeouts_waits_without_a_limit() -> None:
    source = Source()
    timed = with_timeouts(source.items(), lambda: None)
    assert await anext(timed) == 1
    waiting = asyncio.ensure_future(anext(timed))
    done, _ = await asyncio.wait({waiting}, timeout=0.05)
    assert not done
    source.released.set()
    assert await waiting == 2


async def test_with_timeouts_closes_its_source() -> None:
    source = Source()
    timed = with_timeouts(source.items(), lambda: 0.001)
    async with aclosing(timed):
        assert [await anext(timed), await anext(timed)] == [1, None]
        assert not source.closed
    assert source.closed


async def test_with_timeouts_raises_the_source_error() -> None:
    async def failing() -> AsyncIterator[int]:
        yield 1
        raise ValueError("broken")

    timed = with_timeouts(failing(), lambda: None)
    assert await anext(timed) == 1
    with pytest.raises(ValueError, match="broken"):
        await anext(timed)


async def test_with_timeouts_retrieves_an_unread_end(caplog: pytest.LogCaptureFixture) -> None:
    """A source may end between the last item that is read and the close."""
    ended = asyncio.Event()

    async def ending() -> AsyncIterator[int]:
        await ended.wait()
        return
        yield 1

    timed = with_timeouts(ending(), lambda: 0.001)
    async with aclosing(timed):
        assert await anext(timed) is None
        ended.set()
        await asyncio.sleep(0.01)
    gc.collect()
    assert "never retrieved" not in caplog.text
