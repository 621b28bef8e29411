"""Lexicons: which words they replace, and where the characters of readings come from."""

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from barkserve.errors import InvalidArgument
from barkserve.orchestrator.text.lexicon import Entry, Lexicon, read_words
from barkserve.orchestrator.text.lexicon_entries import parse_lexicon_file, request_lexicon
from barkserve.orchestrator.text.phones import spell_phones
from barkserve.orchestrator.text.warnings import Warnings
from barkserve.v1 import speech_pb2

WORDS = Lexicon(
    [
        Entry("SQL", "sequel"),
        Entry("New York", "newer yolk"),
        Entry("York", "yawk"),
        Entry("us", "you ess"),
        Entry("US", "United States", match_case=True),
        Entry("C#", "C sharp"),
        Entry("can", "kan"),
        Entry("東京", "Tokyo"),
        Entry("étude", "ay dude"),
    ]
)


@pytest.mark.parametrize(
    ("text", "reading"),
    [
        ("SQL, sql and MySQL", "sequel, sequel and MySQL"),
        ("New York is not York.", "newer yolk is not yawk."),
        ("new\nyork", "newer yolk"),
        ("the US and us", "the United States and you ess"),
        ("C# or C#?", "C sharp or C sharp?"),
        ("can, can't, can\u2019t, can's, canned", "kan, can't, can\u2019t, kan's, canned"),
        ("SQL_1 SQL1 1SQL SQL-1", "SQL_1 SQL1 1SQL sequel-1"),
        ("東京都東京", "Tokyo都Tokyo"),
        ("ÉTUDE", "ay dude"),
        ("", ""),
    ],
)
def test_lexicon_replaces_whole_words(text: str, reading: str) -> None:
    assert read_words(text, [WORDS]).text == reading


def test_lexicon_of_the_request_comes_first() -> None:
    own = Lexicon([Entry("sql", "S Q L"), Entry("york", "yoke")])
    found = read_words("SQL in York and New York", [own, WORDS])
    assert found.text == "S Q L in yoke and newer yolk"


def test_reading_keeps_the_positions_of_words() -> None:
    text = "In New York now"
    found = read_words(text, [WORDS])
    assert found.text == "In newer yolk now"
    places = [found.position(index) for index in range(len(found.text))]
    assert places[:3] == [0, 1, 2]
    assert {text[place] for place in places[3:8]} <= set("New ")
    assert {text[place] for place in places[9:13]} <= set("York")
    assert places[13:] == [11, 12, 13, 14]


@given(st.lists(st.sampled_from(["SQL", "us", " ", "a", "'", "New York", "東京"]), max_size=20))
def test_positions_never_decrease(parts: list[str]) -> None:
    text = "".join(parts)
    found = read_words(text, [WORDS])
    places = [found.position(index) for index in range(len(found.text))]
    assert places == sorted(places)
    assert all(0 <= place < len(text) for place in places)


def entry(**fields: Any) -> speech_pb2.LexiconEntry:
    return speech_pb2.LexiconEntry(**fields)


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ([entry(word="", spelling="a")], "1 to 64 characters"),
        ([entry(word=" a", spelling="a")], "without space around"),
        ([entry(word="a" * 65, spelling="a")], "1 to 64 characters"),
        ([entry(word="a")], "either a spelling or ipa"),
        ([entry(word="a", spelling="b" * 257)], "above 256"),
        ([entry(word="a", spelling="...")], "no letter or digit"),
        ([entry(word="a", spelling="b"), entry(word="A", spelling="c")], "two entries"),
        ([entry(word=f"w{n}", spelling="x") for n in range(1001)], "at most 1000"),
    ],
)
def test_request_lexicon_says_what_is_wrong(
    entries: list[speech_pb2.LexiconEntry], message: str
) -> None:
    with pytest.raises(InvalidArgument, match=f"lexicon.*{message}"):
        request_lexicon(entries, Warnings())


def test_request_lexicon_warns_about_unknown_sounds() -> None:
    warnings = Warnings()
    entries = [entry(word="data", ipa="/ˈdeɪtə/"), entry(word="x", ipa="ǃ")]
    lexicon = request_lexicon(entries, warnings)
    assert lexicon is not None
    assert read_words("data x", [lexicon]).text == "daytuh x"
    (warning,) = warnings.messages()
    assert warning.code == speech_pb2.WARNING_CODE_LEXICON_IGNORED
    assert "'x' has no effect" in warning.message


@pytest.mark.parametrize(
    ("ipa", "spelling"),
    [("təˈmeɪtoʊ", "tuh-maytoh"), ("ˈɡɪf", "gif"), ("[tʃiːz]", "cheez"), ("ˈwɜːrld", "wurld")],
)
def test_phones_are_spelled_in_english(ipa: str, spelling: str) -> None:
    assert spell_phones(ipa) == spelling


def test_lexicon_file_gives_words_and_a_revision() -> None:
    text = """
    [[entry]]
    word = "SQL"
    spelling = "sequel"
    [[entry]]
    word = "a"
    ipa = "eɪ"
    """
    found = parse_lexicon_file(text.encode())
    assert found.lexicon is not None
    assert read_words("a SQL", [found.lexicon]).text == "ay sequel"
    assert found.revision
    assert found.revision != parse_lexicon_file(f"{text}\n".encode()).revision


def test_documented_file_is_valid() -> None:
    page = (Path(__file__).parents[3] / "docs/text.md").read_text()
    (text,) = re.findall(r"^```toml\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    found = parse_lexicon_file(text.encode())
    assert found.lexicon is not None
    reading = read_words("SQL in the US, a tomato for us", [found.lexicon]).text
    assert reading == "sequel in the United States, a tuh-maytoh for us"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no .*entry.* table"),
        ("[[entries]]", "'entries' is unknown"),
        ("[[entry]", "line 1"),
        ('[[entry]]\nword = "a"\nspell = "b"', "table 1: 'spell' is unknown"),
        ('[[entry]]\nword = 1\nspelling = "b"', "table 1: .*must be strings"),
        ('[[entry]]\nword = "a"\nspelling = "b"\nmatch_case = 1', "true or false"),
        ('[[entry]]\nword = "a"\nipa = "ǃ"', "table 1: the sound"),
    ],
)
def test_lexicon_file_errors_name_the_entry(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_lexicon_file(text.encode())
