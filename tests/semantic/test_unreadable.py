"""What the spelling code passes over."""

import pytest

from barkserve.semantic.spelling.unreadable import unreadable


@pytest.mark.parametrize(
    ("text", "passed_over"),
    [
        ("Hi \U0001f600\U0001f44d\U0001f3fd ok", ["\U0001f600\U0001f44d\U0001f3fd"]),
        ("\u2764\ufe0f you", ["\u2764\ufe0f"]),
        ("a \U0001f468\u200d\U0001f469 b", ["\U0001f468\u200d\U0001f469"]),
        ("ha [laughs] \u266a la", ["[laughs]", "\u266a"]),
        ("read [this](https://example.com)", []),
        ("25\u00b0C, \u00bd cup, \u221a2 \u2192 \u03c0, Acme\u00ae\u2122", []),
        ("\u00e9tude \u201cna\u00efve\u201d \u2014 \u4f60\u597d, \ud55c\uad6d", []),
        ("plain text, (really) {too}!", []),
    ],
)
def test_unreadable_finds_what_has_no_reading(text: str, passed_over: list[str]) -> None:
    assert [text[start:end] for start, end in unreadable(text)] == passed_over
