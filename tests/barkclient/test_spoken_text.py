"""A text cut where its words end."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from barkclient._internal.spoken_text import SpokenText
from barkclient.responses import WordTime


def word(text: str, end: int) -> WordTime:
    return WordTime(text, end - len(text), end, first_sample=0, end_sample=1, sample_rate=8_000)


def test_marks_go_with_the_word_before_them_and_spaces_with_the_next() -> None:
    text = SpokenText()
    text.write("\u201cWell,\u201d he  said (no")
    assert text.until(word("Well", 5)) == "\u201cWell,\u201d"
    assert text.until(word("he", 10)) == " he"
    text.write("): 5!")
    assert [text.until(word("said", 16)), text.until(word("no", 20))] == ["  said", " (no):"]
    assert (text.until(word("5", 24)), text.rest(), text.rest()) == (" 5!", "", "")


def test_signs_without_spaces_are_told_one_by_one() -> None:
    text = SpokenText()
    text.write("\u5143\u6c17\u3002\u5143")
    parts = [text.until(word("x", end)) for end in (1, 2, 4)]
    assert parts == ["\u5143", "\u6c17\u3002", "\u5143"]


@pytest.mark.parametrize("segments", [1, 3])
@given(st.data())
def test_the_parts_are_the_text(segments: int, data: st.DataObject) -> None:
    """Wherever the words end, in whatever order the text came."""
    text, written, told = SpokenText(), "", ""
    for _ in range(segments):
        segment = data.draw(st.text())
        text.write(segment)
        written += segment
        for end in sorted(data.draw(st.lists(st.integers(0, len(written)), max_size=4))):
            told += text.until(word("", end))
            assert written.startswith(told)
            assert len(told) >= end
    assert told + text.rest() == written
