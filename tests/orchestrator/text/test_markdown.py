"""Markdown: how it is read, what stays text, and the same parts for any split."""

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from barkserve.errors import InvalidArgument
from barkserve.orchestrator.text.markup.addresses import spoken_address
from barkserve.orchestrator.text.markup.formats import make_markup
from barkserve.orchestrator.text.markup.items import Pause
from barkserve.orchestrator.text.segment import Segment
from barkserve.orchestrator.text.segmenter import Segmenter
from barkserve.speakable import speakable
from barkserve.v1 import speech_pb2
from tests.orchestrator.text.markup import BUDGET, FORMATS, cuts_of, drain, parts, spoken

LANGUAGES = ("en", "de", "es", "fr", "hi", "it", "ja", "ko", "pl", "pt", "ru", "tr", "zh")
READINGS = {
    "**Bold**, *soft*, __bold__, _soft_ and ***both***.": ["Bold, soft, bold, soft and both."],
    "**un**believable": ["unbelievable"],
    "*laughs* Hello": ["laughs Hello"],
    "~~old~~ new": ["old new"],
    "# Title\nText here.": ["Title", 0.5, "Text here."],
    "Before\n## A *b* ##\nText": ["Before", 0.3, "A b", 0.5, "Text"],
    "Title\n=====\nText": ["Title", 0.5, "Text"],
    "One\n\n---\n\nTwo": ["One", 0.5, "Two"],
    "Buy:\n- milk\n- eggs\n\nThanks.": ["Buy:", 0.3, "milk", 0.3, "eggs", 0.3, "Thanks."],
    "* one\n  * two": ["one", 0.3, "two"],
    "- [x] done\n- [ ] open": ["done", 0.3, "open"],
    "1. One\n2. Two": ["1. One", 0.3, "2. Two"],
    "See [the docs](https://a.com/x_(y) 'T').": ["See the docs."],
    "[a *b*](u) c": ["a b c"],
    "[![Logo](l.png)](u)": ["Logo"],
    "![A cat](cat.png) sits": ["A cat sits"],
    "text[^1]": ["text"],
    "[1]: https://a.com\nText": ["Text"],
    "Run `foo_bar(*x)` now": ["Run foo_bar(*x) now"],
    "``a ` b``": ["a ` b"],
    "```py\nx = 1\ny = *2*\n```\nDone": ["x = 1", 0.3, "y = *2*", 0.3, "Done"],
    "| Name | Age |\n|:--|--:|\n| Anna | 5 |\n| Bob | |\nEnd": [
        "Name, Age", 0.3, "Anna, 5", 0.3, "Bob", 0.3, "End",
    ],
    "> one\n> two": ["one\ntwo"],
    "https://example.com/docs, or": ["example dot com slash docs, or"],
    "(see www.a-b.com/x_y/)": ["(see w w w dot a dash b dot com slash x underscore y)"],
    "<https://a.com> or <me@a.com>": ["a dot com or me at a dot com"],
    "Mail me@example.com.": ["Mail me at example dot com."],
    "a &amp; b": ["a & b"],
    "a<br>b and <b>c</b>": ["a", 0.3, "b and c"],
    "\\*not\\*": ["*not*"],
    "Wait [pause:1s] now": ["Wait", 1.0, "now"],
    "Wait [pause 250ms] now [long pause] go": ["Wait", 0.25, "now", 1.2, "go"],
    'Wait <break time="1.5s" /> now': ["Wait", 1.5, "now"],
}  # fmt: skip

TEXTS = [
    "2 * 3 = 6",
    "2*3*4 = 24 and a*b*c",
    "2**3**4",
    "f(*args, **kwargs)",
    "snake_case and __init",
    "x < y > z, a <b and c",
    "5 > 4\n>5",
    "#1 fan, C# and #tag",
    "[laughs] Well [MAN] yes! [1]",
    "[pause for effect] now",
    "~5 and ~ 6",
    "It was in\n1984. It ended\n12. never",
    "- 5 degrees",
    "Fish & chips, R&D; AT&T",
    "C:\\temp\\new",
    "|x| = 5",
    "♪ la la ♪",
    "me@home and @you, 3.5 a@b",
    "你好。“世界”！ 「これ」",
    "don't - or do - stop! ... wait -",
    "a ` b",
]


@pytest.mark.parametrize("text", READINGS)
@pytest.mark.parametrize("text_format", ["auto", "markdown"])
def test_markdown_is_read_as_a_person_would(text: str, text_format: str) -> None:
    assert spoken(text, text_format) == READINGS[text]


@pytest.mark.parametrize("text", TEXTS)
def test_text_without_markup_is_spoken_unchanged(text: str) -> None:
    assert parts(text) == parts(text, "plain")


def test_only_markdown_format_reads_what_may_be_text() -> None:
    assert spoken("- 5 degrees", "markdown") == ["5 degrees"]
    assert spoken("+ one", "markdown") == ["one"]
    assert spoken("[a][b]", "markdown") == ["a"]
    assert spoken("a\\-b", "markdown") == ["a-b"]


@pytest.mark.parametrize(
    "language", ["en", "de", "es", "fr", "hi", "it", "ja", "ko", "pl", "pt", "ru", "tr", "zh"]
)
def test_addresses_are_read_in_every_language(language: str) -> None:
    words = spoken_address("https://a-b.com/c_d", language).split()
    assert [words[0], words[-1]] == ["a", "d"]
    assert not {"-", ".", "/", "_"} & set(words)


@pytest.mark.parametrize("text", [*READINGS, *TEXTS])
@pytest.mark.parametrize("text_format", ["auto", "markdown"])
def test_every_cut_of_markdown_gives_the_same_parts(text: str, text_format: str) -> None:
    whole = parts(text, text_format)
    for step in (1, 3):
        assert parts(text, text_format, range(step, len(text), step)) == whole


HARD = ("[", "*a ", "_a ", "`a", "<a", "| a\n", "![", "- ", "#", "> ", "&a")
"""What costs the most to read when it is repeated."""

SIGNS = st.text(alphabet="ab1 .!*_~`[]()<>|#-\\\n&;:/@é中", max_size=60)
WORDS = st.lists(
    st.sampled_from([*READINGS, *TEXTS, "```", "**", "[a](", "\n\n", "\n", " ", "| ", "|-|", "<b"]),
    max_size=5,
).map("".join)


@settings(max_examples=150, deadline=None)
@given(SIGNS | WORDS, st.lists(st.integers(1, 200), max_size=6), st.sampled_from(list(FORMATS)))
def test_cuts_of_markdown_do_not_change_its_parts(
    text: str, cuts: list[int], text_format: str
) -> None:
    inside = sorted({cut for cut in cuts if cut < len(text)})
    assert _parts_or_error(text, text_format, inside) == _parts_or_error(text, text_format, [])


@settings(max_examples=100, deadline=None)
@given(SIGNS | WORDS)
def test_segments_of_markdown_are_in_order_and_lose_no_words(text: str) -> None:
    found = [part for part in parts(text) if isinstance(part, Segment)]
    assert all(before.end <= after.start for before, after in pairwise(found))
    for segment in found:
        for origin in segment.origins:
            assert 0 <= origin.start < origin.end <= len(text)
    again = parts(text, known=cuts_of(found))
    assert [part.text for part in again if isinstance(part, Segment)] == [
        part.text for part in found
    ]
    letters = "".join(filter(speakable, text.split()))
    assert bool(found) or "://" in letters or not speakable(text) or _is_silent(text)


def _is_silent(text: str) -> bool:
    """Whether all words of a text are parts of links, tags or signs that are not spoken."""
    return any(sign in text for sign in ("](", "<", "[^", "&", "]:", "```", "~~~", "pause"))


def _parts_or_error(text: str, text_format: str, cuts: list[int]) -> object:
    try:
        return parts(text, text_format, cuts)
    except InvalidArgument:
        return "refused"


@pytest.mark.parametrize(
    ("pause", "seconds", "warning"),
    [
        ("[pause:20s]", 10, "a pause is cut to 10 s"),
        ("<break time='20s'/>", 10, "a pause is cut to 10 s"),
        ("<break time='2'/>", 0.4, "another time than it asks for"),
        ("<break strength='huge'/>", 0.4, "the strength of a pause has no effect"),
        ("<speak><break time='20s'/></speak>", 10, "a pause is cut to 10 s"),
        ("<speak><break time='2'/></speak>", 0.4, "another time than it asks for"),
    ],
)
def test_wrong_pause_is_a_warning(pause: str, seconds: float, warning: str) -> None:
    warnings: list[str] = []
    text = pause if pause.startswith("<speak>") else f"Wait {pause} here"
    found = parts(text, warnings=warnings)
    assert [each.seconds for each in found if isinstance(each, Pause)] == [seconds]
    (message,) = warnings
    assert warning in message


def test_brackets_of_formulas_are_not_spoken() -> None:
    assert spoken(r"So \[ E = mc^2 \] and \(x\) too.") == ["So   E = mc^2   and  x  too."]


def test_symbols_between_sentences_are_reported() -> None:
    found: list[tuple[str, tuple[int, int]]] = []
    text = "Hi there.\n\n\U0001f600\n\n-- **\n\n\u2026\n\nBye now."
    markup = make_markup(speech_pb2.TEXT_FORMAT_AUTO, lambda *_: None)
    budget = replace(BUDGET, joins=False)
    segmenter = Segmenter("en", budget, (), markup, lambda *place: found.append(place))
    segmenter.push(text)
    segmenter.end()
    assert [part.text for part in drain(segmenter) if isinstance(part, Segment)] == [
        "Hi there.", "Bye now.",
    ]  # fmt: skip
    assert [each for each, _ in found] == ["\U0001f600"]
    assert [text[slice(*span)].strip() for _, span in found] == [each for each, _ in found]


@pytest.mark.parametrize("stalled", ["Is it you?", "Yes!", "Go. I am here.", "Well,"])
def test_stalled_text_is_spoken_as_far_as_in_plain_format(stalled: str) -> None:
    early = []
    for text_format in (speech_pb2.TEXT_FORMAT_AUTO, speech_pb2.TEXT_FORMAT_PLAIN):
        segmenter = Segmenter("en", BUDGET, (), make_markup(text_format, lambda *_: None))
        segmenter.push(stalled)
        before = drain(segmenter)
        assert segmenter.has_text
        early.append((before, segmenter.next_early()))
    assert early[0] == early[1]
