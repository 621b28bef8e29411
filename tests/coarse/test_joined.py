"""A stream that is ahead of its player sends fewer, larger messages."""

from collections.abc import AsyncGenerator

import numpy as np
import pytest

from barkserve.coarse.generator import joined


async def parts(count: int, closed: list[bool]) -> AsyncGenerator[np.ndarray, None]:
    """Yield single frames."""
    try:
        for number in range(count):
            yield np.full((1, 2), number)
    finally:
        closed.append(True)


@pytest.mark.parametrize(
    ("ahead", "sizes"),
    [
        ([False] * 4, [1, 1, 1, 1]),
        ([True] * 4, [4]),
        ([True, True, False, True], [3, 1]),
        ([False, True, True, True], [1, 3]),
    ],
)
async def test_frames_are_joined_while_the_player_can_wait(
    ahead: list[bool], sizes: list[int]
) -> None:
    flags = iter(ahead)
    messages = [each async for each in joined(parts(4, []), lambda: next(flags))]
    assert [len(each) for each in messages] == sizes
    assert np.concatenate(messages)[:, 0].tolist() == [0, 1, 2, 3]


async def test_window_is_closed_with_its_reader() -> None:
    closed: list[bool] = []
    reader = joined(parts(4, closed), lambda: False)
    await anext(reader)
    await reader.aclose()
    assert closed == [True]
