"""Texts in letters only, for checkpoints without digits and other scripts."""

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from barkserve.semantic.spelling import spell_out


@pytest.mark.parametrize(
    ("text", "spoken"),
    [
        ("Hello there.", "Hello there."),
        ("Dr. Smith paid $5.20, i.e. 520 cents.",
         "doctor Smith paid five dollars, twenty cents, that is five hundred and twenty cents."),
        ("€3 and £1,000", "three euro and one thousand pounds sterling"),
        ("It's 10:30 a.m. on the 21st of May 1984.",
         "It's ten thirty a m on the twenty-first of May nineteen eighty-four."),
        ("9:00, 9:05", "nine o'clock, nine oh five"),
        ("1,234 pages", "one thousand, two hundred and thirty-four pages"),
        ("No. 5, 50% of 3.14", "number five, fifty percent of three point one four"),
        ("Call 0123!", "Call zero one two three!"),
        ("-5 degrees", "minus five degrees"),
        ("St. John lives on Main St.", "saint John lives on Main street"),
        ("[laughs] ♪ la la ♪", "la la"),
        ("Ünïcode — café 你好", "Unicode - cafe NiHao"),
        ("٣ apples", "three apples"),
        ("😀", ""),
        ("[laughter]", ""),
        ("[one [laughs] two", "one two"),
        ("a,.b a.,?! b", "a, b a, b"),
        ("Mr. and Mrs. Fox vs. me", "mister and missus Fox versus me"),
        ("Wait... what?! \"No?\" she asked.", "Wait, what, No, she asked."),
        ("J. R. Ewing of the U.S. reads a.com.", "J R Ewing of the U S reads a com."),
        ("See it.Now go. well", "See it, Now go, well"),
    ],
)  # fmt: skip
def test_spell_out_examples(text: str, spoken: str) -> None:
    assert spell_out(text).text == spoken


@given(st.text())
def test_spell_out_gives_letters_and_simple_signs(text: str) -> None:
    spoken = spell_out(text).text
    assert re.fullmatch(r"[a-zA-Z.,?!'\- ]*", spoken)
    assert (
        spell_out(spoken).text == spoken or "." in spoken
    )  # "no." can be read as an abbreviation then


@given(
    st.integers(min_value=0, max_value=10**18) | st.integers(max_value=10**400, min_value=10**300),
    st.sampled_from(["{}", "${}", "{}th", "{}.5", "{:,}", "${:,}", "£{}.50"]),
)
def test_spell_out_keeps_every_number(number: int, form: str) -> None:
    assert re.search("[a-z]{3}", spell_out(form.format(number)).text)


@pytest.mark.parametrize(
    ("text", "spoken"), [("a" + "." * 50_000, "a" + "." * 50_000), ("[" * 50_000, "")]
)
def test_spell_out_takes_linear_time(text: str, spoken: str) -> None:
    """Quadratic time would be at least ten seconds."""
    start = time.thread_time()
    assert spell_out(text).text == spoken
    assert time.thread_time() - start < 5
