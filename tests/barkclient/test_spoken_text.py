"""A text split at the ends of its words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from barkclient._internal.spoken_text import SpokenText
from barkclient.responses import WordTime


def word(text: str, end: int) -> WordTime:
    return WordTime(text, end - len(text), end, first_sample=0, end_sample=1, sample_rate=8_000)


def test_until_includes_following_marks_and_leading_spaces() -> None:
    text = SpokenText()
    text.write("\u201cWell,\u201d he  said (no")
    assert text.until(word("Well", 5)) == "\u201cWell,\u201d"
    assert text.until(word("he", 10)) == " he"
    text.write("): 5!")
    assert [text.until(word("said", 16)), text.until(word("no", 20))] == ["  said", " (no):"]
    assert (text.until(word("5", 24)), text.rest(), text.rest()) == (" 5!", "", "")


def test_until_splits_text_without_spaces() -> None:
    text = SpokenText()
    text.write("\u5143\u6c17\u3002\u5143")
    parts = [text.until(word("x", end)) for end in (1, 2, 4)]
    assert parts == ["\u5143", "\u6c17\u3002", "\u5143"]


@pytest.mark.parametrize("parts", [1, 3])
@given(st.data())
def test_parts_join_to_the_text(parts: int, data: st.DataObject) -> None:
    """For any ends of words and any parts of the text."""
    text, written, spoken = SpokenText(), "", ""
    for _ in range(parts):
        part = data.draw(st.text())
        text.write(part)
        written += part
        for end in sorted(data.draw(st.lists(st.integers(0, len(written)), max_size=4))):
            spoken += text.until(word("", end))
            assert written.startswith(spoken)
            assert len(spoken) >= end
    assert spoken + text.rest() == written
