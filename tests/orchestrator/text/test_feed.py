"""The text feed."""

import asyncio
from itertools import count

import pytest

from barkserve.errors import IdleTimeout, InvalidArgument
from barkserve.orchestrator.audio.playout_clock import PlayoutClock
from barkserve.orchestrator.text.budget import Budget
from barkserve.orchestrator.text.feed import TextFeed
from barkserve.orchestrator.text.segment import Segment
from barkserve.orchestrator.text.segmenter import FlushMark, Segmenter


def feed_of(clock: PlayoutClock, max_pending_flushes: int = 2, idle_s: float = 0.0) -> TextFeed:
    return TextFeed(
        Segmenter("en", Budget(160)),
        clock.underrun_at,
        200_000,
        max_delay_s=0,
        max_pending_flushes=max_pending_flushes,
        idle_s=idle_s,
        count=lambda characters: None,
    )


@pytest.mark.parametrize("character", ["😀", ".", "$"])
async def test_feed_lets_other_tasks_run_while_it_skips(character: str) -> None:
    """A long text without anything to speak must not block the event loop."""
    clock = PlayoutClock()
    feed = feed_of(clock)
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


async def test_feed_limits_pending_flushes() -> None:
    """A flush is pending until the client was sent `flush_done`."""
    feed = feed_of(PlayoutClock(), max_pending_flushes=2)
    feed.flush("one")
    feed.flush("two")
    with pytest.raises(InvalidArgument, match=r"2 flushes are pending.*--max-pending-flushes"):
        feed.flush("three")
    assert await feed.next() == FlushMark("one")
    with pytest.raises(InvalidArgument):
        feed.flush("three")
    feed.flush_done()
    feed.flush("three")


@pytest.mark.parametrize("text", ["", "   ", "wor"])
async def test_feed_fails_when_it_has_nothing_to_speak(text: str) -> None:
    """A single incomplete word is never spoken, so it does not keep a context either."""
    feed = feed_of(PlayoutClock(), idle_s=0.05)
    feed.push(text)
    with pytest.raises(IdleTimeout, match=r"0\.05 s.*--context-idle-seconds"):
        await feed.next()


async def test_feed_is_not_idle_before_playback_ends() -> None:
    loop, clock = asyncio.get_running_loop(), PlayoutClock()
    feed = feed_of(clock, idle_s=0.1)
    clock.segment_started()
    waiting = asyncio.ensure_future(feed.next())
    done, _ = await asyncio.wait([waiting], timeout=0.3)
    assert not done  # a segment is being synthesized
    clock.sent(0.5)
    played_at = loop.time() + 0.5
    clock.segment_ended()
    feed.wake()
    with pytest.raises(IdleTimeout):
        await waiting
    assert loop.time() >= played_at + 0.09


async def test_feed_is_not_idle_while_text_arrives() -> None:
    feed = feed_of(PlayoutClock(), idle_s=1.0)
    waiting = asyncio.ensure_future(feed.next())
    for _ in range(15):
        done, _ = await asyncio.wait([waiting], timeout=0.1)
        assert not done
        feed.push(" ")
    feed.push("Hello. ")
    assert await waiting == Segment("Hello.", 15)
