"""A context's text on its way to the chain: whatever it is, the event loop stays everybody's."""

import asyncio
from itertools import count

import pytest

from barkserve.orchestrator.audio.playout_clock import PlayoutClock
from barkserve.orchestrator.text.budget import Budget
from barkserve.orchestrator.text.feed import TextFeed
from barkserve.orchestrator.text.segmenter import Segment, Segmenter


@pytest.mark.parametrize("sign", ["😀", ".", "$"])
async def test_much_that_cannot_be_spoken_holds_nobody_up(sign: str) -> None:
    clock = PlayoutClock()
    feed = TextFeed(Segmenter("en", Budget(160)), clock.underrun_at, 200_000, max_delay_s=0)
    feed.push(sign * 100_000 + " Hello.")
    feed.end()
    turns = count()

    async def somebody_else() -> None:
        while True:
            next(turns)
            await asyncio.sleep(0)

    other = asyncio.create_task(somebody_else())
    found = await feed.next()
    other.cancel()
    assert isinstance(found, Segment)
    assert found.text.endswith("Hello.")
    assert next(turns) > 100_000 // 160 // 2
    assert await feed.next() is None
