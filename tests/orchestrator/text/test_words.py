"""Words in the scripts that Bark speaks."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from barkserve.orchestrator.text.words import find_words
from barkserve.speakable import speakable


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Hello, my dog is cute.", ["Hello", "my", "dog", "is", "cute"]),
        ('"Don\'t go," she said -- quickly!', ["Don't", "go", "she", "said", "quickly"]),
        ("It costs $5.20 (or 50%) at -5", ["It", "costs", "$5.20", "or", "50%", "at", "-5"]),
        ("well-known e.g. https://x.org/a?b=1.", ["well-known", "e.g", "https://x.org/a?b=1"]),
        ("[clears throat] ♪ la 😀 la ♪", ["[clears throat]", "♪", "la", "la", "♪"]),
        ("¿Qué tal, «señor»?", ["Qué", "tal", "señor"]),
        ("你好，world吗？", ["你", "好", "world", "吗"]),
        ("コーヒーです。", ["コー", "ヒー", "で", "す"]),
        ("안녕 하세요.", ["안녕", "하세요"]),
        ("नमस्ते दुनिया।", ["नमस्ते", "दुनिया"]),
        ("... !? - 😀", []),
        ("a [b", ["a", "b"]),
    ],
)  # fmt: skip
def test_find_words(text: str, words: list[str]) -> None:
    assert [word.text for word in find_words(text)] == words


@given(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=60) | st.text("a1 [].,-'好ー$♪\n")
)
def test_words_cover_all_speech_in_order(text: str) -> None:
    words = find_words(text)
    assert all(text[word.start : word.end] == word.text for word in words)
    assert all(one.end <= other.start for one, other in pairwise(words))
    inside = {place for word in words for place in range(word.start, word.end)}
    assert all(place in inside for place, each in enumerate(text) if speakable(each))
