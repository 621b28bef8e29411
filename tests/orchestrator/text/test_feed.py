"""The text feed."""

import asyncio
from itertools import count

import pytest

from barkserve.orchestrator.audio.playout_clock import PlayoutClock
from barkserve.orchestrator.text.budget import Budget
from barkserve.orchestrator.text.feed import TextFeed
from barkserve.orchestrator.text.segmenter import Segment, Segmenter


@pytest.mark.parametrize("character", ["😀", ".", "$"])
async def test_feed_lets_other_tasks_run_while_it_skips(character: str) -> None:
    """A long text without anything to speak must not block the event loop."""
    clock = PlayoutClock()
    feed = TextFeed(Segmenter("en", Budget(160)), clock.underrun_at, 200_000, max_delay_s=0)
    feed.push(character * 100_000 + " Hello.")
    feed.end()
    turns = count()

    async def other_task() -> None:
        while True:
            next(turns)
            await asyncio.sleep(0)

    other = asyncio.create_task(other_task())
    segment = await feed.next()
    other.cancel()
    assert isinstance(segment, Segment)
    assert segment.text.endswith("Hello.")
    assert next(turns) > 100_000 // 160 // 2
    assert await feed.next() is None
