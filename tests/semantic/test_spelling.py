"""Texts in letters only, for checkpoints without digits and other scripts."""

import re
import time
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from barkserve.semantic.spelling.spell_out import spell_out


def readings() -> dict[str, dict[str, str]]:
    """Return the texts and their readings by domain."""
    with Path(__file__).with_name("readings.toml").open("rb") as file:
        domains = tomllib.load(file)
    assert domains.pop("version") == 3
    return domains


@pytest.mark.parametrize("domain", readings())
def test_spell_out_reads_texts_of_a_domain(domain: str) -> None:
    for text, spoken in readings()[domain].items():
        assert spell_out(text).text == spoken, text


def test_readings_of_the_docs_are_right() -> None:
    page = (Path(__file__).parents[2] / "docs/text.md").read_text()
    rows = re.findall(r"^\| [^|]+ \| `([^`|]+)` \| ([^|]+) \|$", page, re.MULTILINE)
    assert len(rows) > 10
    assert [spell_out(text).text for text, _ in rows] == [spoken for _, spoken in rows]


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
