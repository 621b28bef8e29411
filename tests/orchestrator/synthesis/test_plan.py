"""The check of a complete text: what it accepts, and that long texts do not block other tasks."""

import asyncio

import pytest

from barkserve.errors import InvalidArgument
from barkserve.orchestrator.synthesis.plan import NOTHING_TO_SPEAK, check_text


@pytest.mark.parametrize("text", ["a", "." * 16_383 + "a", "." * 16_384 + "a", "." * 100_000 + "♪"])
async def test_check_text_finds_something_to_speak(text: str) -> None:
    await check_text(text, 200_000)


@pytest.mark.parametrize("text", ["", " ", "...", "_" * 20_000, "😀" * 40_000])
async def test_check_text_rejects_text_without_words(text: str) -> None:
    with pytest.raises(InvalidArgument, match=NOTHING_TO_SPEAK.replace("[", r"\[")):
        await check_text(text, 200_000)


async def test_check_text_rejects_long_text() -> None:
    with pytest.raises(InvalidArgument, match="at most 10 characters, found 11"):
        await check_text("a" * 11, 10)


async def test_check_text_lets_other_tasks_run() -> None:
    turns = 0

    async def count_turns() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    counting = asyncio.create_task(count_turns())
    with pytest.raises(InvalidArgument):
        await check_text("." * 1_000_000, 1_000_000)
    counting.cancel()
    assert turns >= 50
