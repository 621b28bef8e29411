"""The word timer: each word once, as soon as it has ended, for any split of the tokens."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from barkserve.orchestrator.text.word_timer import WordTimer
from barkserve.orchestrator.text.words import find_words

TEXT = "Oh, I see it"  # words at 0-2, 4-5, 6-9, 10-12


def timed(characters: list[int], text: str = TEXT) -> list[tuple[str, int, int]]:
    timer = WordTimer(find_words(text))
    timed_words = timer.push(characters) + timer.rest()
    return [(each.word.text, each.first_token, each.end_token) for each in timed_words]


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
def test_word_timer_assigns_tokens_to_words(
    characters: list[int], expected: list[tuple[str, int, int]]
) -> None:
    assert timed(characters) == expected


def test_word_timer_returns_a_word_when_it_ends() -> None:
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
def test_word_timer_output_is_the_same_for_any_split(
    text: str, places: list[int], parts: list[int]
) -> None:
    characters = sorted(min(place, max(0, len(text) - 1)) for place in places)
    timer, timed_words, rest = WordTimer(find_words(text)), [], list(characters)
    for part in parts:
        timed_words += timer.push(rest[:part])
        rest = rest[part:]
    timed_words += timer.push(rest) + timer.rest()
    assert [(each.word.text, each.first_token, each.end_token) for each in timed_words] == timed(
        characters, text
    )
    assert [each.word for each in timed_words] == find_words(text)[: len(timed_words)]
    times = [time for each in timed_words for time in (each.first_token, each.end_token)]
    assert times == sorted(times)
    assert all(0 <= time <= len(characters) for time in times)
