"""Tokens to words: each told once, as soon as it has ended, whatever the parts they come in."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from barkserve.orchestrator.text.word_timer import WordTimer
from barkserve.orchestrator.text.words import find_words

TEXT = "Oh, I see it"  # words at 0-2, 4-5, 6-9, 10-12


def timed(characters: list[int], text: str = TEXT) -> list[tuple[str, int, int]]:
    timer = WordTimer(find_words(text))
    told = timer.push(characters) + timer.rest()
    return [(each.word.text, each.first_token, each.end_token) for each in told]


@pytest.mark.parametrize(
    ("characters", "expected"),
    [
        ([0, 0, 1, 2, 2, 4, 6, 8, 11], [("Oh", 0, 3), ("I", 5, 6), ("see", 6, 8), ("it", 8, 9)]),
        ([0, 6, 6], [("Oh", 0, 1), ("I", 1, 1), ("see", 1, 3)]),
        ([2, 10], [("Oh", 0, 0), ("I", 1, 1), ("see", 1, 1), ("it", 1, 2)]),
        ([0, 1, 2], [("Oh", 0, 2)]),
        ([2], [("Oh", 0, 0)]),
        ([], []),
    ],
)
def test_words_of_characters(characters: list[int], expected: list[tuple[str, int, int]]) -> None:
    assert timed(characters) == expected


def test_a_word_is_told_when_it_ends() -> None:
    timer = WordTimer(find_words(TEXT))
    assert timer.push([0, 1]) == []
    assert [each.word.text for each in timer.push([2])] == ["Oh"]
    assert timer.push([4, 4]) == []
    assert [each.word.text for each in timer.push([6])] == ["I"]


@given(
    st.text("ab, 1好-", max_size=30),
    st.lists(st.integers(0, 30), max_size=40),
    st.lists(st.integers(1, 6), max_size=20),
)
def test_any_characters_in_any_parts(text: str, places: list[int], parts: list[int]) -> None:
    characters = sorted(min(place, max(0, len(text) - 1)) for place in places)
    timer, told, rest = WordTimer(find_words(text)), [], list(characters)
    for part in parts:
        told += timer.push(rest[:part])
        rest = rest[part:]
    told += timer.push(rest) + timer.rest()
    assert [(each.word.text, each.first_token, each.end_token) for each in told] == timed(
        characters, text
    )
    assert [each.word for each in told] == find_words(text)[: len(told)]
    times = [time for each in told for time in (each.first_token, each.end_token)]
    assert times == sorted(times)
    assert all(0 <= time <= len(characters) for time in times)
