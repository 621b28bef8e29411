"""SSML: what its elements mean, what is refused, and the same parts for any split."""

from dataclasses import replace

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from barkserve.errors import InvalidArgument
from barkserve.orchestrator.text.markup.items import Style
from barkserve.orchestrator.text.markup.prosody import parse_rate, parse_volume
from barkserve.orchestrator.text.markup.say_as import say_as
from barkserve.orchestrator.text.segment import Segment, split_in_half
from tests.orchestrator.text.markup import BUDGET, cuts_of, parts, spoken

DOCUMENT = """<?xml version="1.0"?>
<speak version="1.1" xml:lang="en">
  <p>Hello AT&amp;T, \U0001f600 <sub alias="World Wide Web">WWW</sub> it is.</p>
  <p>Pay <say-as interpret-as="cardinal">12</say-as> now.<!-- not spoken --></p>
  <break time="1s"/><mark name="a"/>Good <prosody rate="slow" volume="+6dB">slowly</prosody>
  <mark name="b"/>the <![CDATA[a < b & c]]> end.<mark name="c"/>
</speak>"""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("<speak>Hello.</speak>", ["Hello."]),
        (" \n<speak version='1.1'>Hello.</speak>", ["Hello."]),
        ("<speak>One <emphasis>big</emphasis> word</speak>", ["One big word"]),
        ("<speak><s>One</s><s>Two</s></speak>", ["One", "Two"]),
        ("<speak><p>One</p><p>Two</p></speak>", ["One", 0.5, "Two"]),
        ("<speak>One<break/>two</speak>", ["One", 0.4, "two"]),
        ("<speak>One<break strength='x-strong'/>two</speak>", ["One", 1.2, "two"]),
        ("<speak><break time='250ms'/>One</speak>", [0.25, "One"]),
        ("<speak>One<break time='3s'/><break time='3s'/></speak>", ["One", 3.0, 3.0]),
        ("<speak><p>One</p><break time='2s'/><p>Two</p></speak>", ["One", 2.0, "Two"]),
        ("<speak>Hi <sub alias='Mister'>Mr</sub> X</speak>", ["Hi Mister X"]),
        ("<speak>Hi <sub alias='Mister'/> X</speak>", ["Hi Mister X"]),
        ("<speak>I<break/><mark name='m'/></speak>", ["I", 0.4, "<m>"]),
        ("<speak>One.</speak> <speak>Two.</speak>", ["One.", "Two."]),
        ("<speak>a\n\n  b</speak>", ["a    b"]),
        ("<speak><voice name='x'>One</voice> two</speak>", ["One", "two"]),
    ],
)
def test_ssml_is_read_as_its_elements_say(text: str, expected: list[str | float]) -> None:
    assert spoken(text) == expected


def test_tags_are_text_in_plain_format() -> None:
    assert spoken("<speak>Hello.</speak>", "plain") == ["<speak>Hello.</speak>"]
    assert spoken("x <speak>") == ["x <speak>"]


@pytest.mark.parametrize(
    ("kind", "form", "text", "language", "expected"),
    [
        ("digits", "", "120", "en", "one two zero"),
        ("digits", "", "12", "zh", "一 二"),
        ("characters", "", "aB3", "en", "A B three"),
        ("spell-out", "", "USB", "de", "U S B"),
        ("telephone", "", "+1 (555) 12", "en", "+ one, five five five, one two"),
        ("cardinal", "", "1,234", "en", "one thousand, two hundred and thirty-four"),
        ("cardinal", "", "21", "de", "einundzwanzig"),
        ("cardinal", "", "21", "hi", "21"),
        ("ordinal", "", "3", "en", "third"),
        ("ordinal", "", "3", "fr", "troisième"),
        ("currency", "", "$5.50", "en", "five dollars, fifty cents"),
        ("currency", "", "5 EUR", "en", "five euro"),
        ("currency", "", "5,50 €", "de", "fünf Euro und fünfzig Cent"),
        ("date", "mdy", "11/5/2024", "en", "November 5, 2024"),
        ("date", "", "2024-11-05", "fr", "5 novembre 2024"),
        ("date", "", "5.11.2024", "de", "5. November 2024"),
        ("date", "md", "11/5", "en", "November 5"),
        ("date", "ymd", "20241105", "ja", "2024年11月5日"),
        ("time", "", "14:05", "de", "14:05"),
        ("time", "", "2:05pm", "en", "2:05 PM"),
        ("date", "mdy", "31/31/2024", "en", None),
        ("cardinal", "", "many", "en", None),
        ("unknown", "", "1", "en", None),
    ],
)
def test_say_as_gives_the_reading(
    kind: str, form: str, text: str, language: str, expected: str | None
) -> None:
    assert say_as(kind, form, text, language) == expected


def test_rates_and_volumes_are_read_within_their_limits() -> None:
    assert [parse_rate(rate) for rate in ("150%", "+50%", "1.5", "slow", "9", "x")] == [
        1.5, 1.5, 1.5, 0.8, 2.0, None,
    ]  # fmt: skip
    assert [parse_volume(each, -2.0) for each in ("+6dB", "loud", "-99dB", "x")] == [
        4.0, 6.0, -40.0, None,
    ]  # fmt: skip


def test_spans_are_those_of_the_text_with_its_tags() -> None:
    segments = [part for part in parts(DOCUMENT) if isinstance(part, Segment)]
    first = segments[0]
    assert first.text == "Hello AT&T, \U0001f600 World Wide Web it is."
    for word, source in (("AT&T", "AT&amp;T"), ("World", "WWW"), ("Web", "WWW"), ("it", "it")):
        start, end = first.span(first.text.index(word), first.text.index(word) + len(word))
        assert DOCUMENT[start:end] == source
    halves = split_in_half(first, BUDGET)
    assert [each.text for each in halves] == ["Hello AT&T,", first.text[12:]]
    assert [each.start for each in halves] == [first.start, DOCUMENT.index("\U0001f600")]


def test_styles_and_marks_belong_to_their_segments() -> None:
    segments = [part for part in parts(DOCUMENT) if isinstance(part, Segment)]
    assert [each.style for each in segments[-3:]] == [Style(), Style(0.8, 6.0), Style()]
    marks = [(index, mark.name) for each in segments for index, mark in each.marks]
    assert marks == [(0, "a"), (0, "b"), (len("the a < b & c end."), "c")]


def test_unknown_elements_are_named_in_warnings() -> None:
    warnings: list[str] = []
    parts(
        "<speak><amazon:effect>a</amazon:effect><phoneme ph='x!'>b</phoneme>"
        "<prosody pitch='high'>c</prosody><say-as interpret-as='date'>d</say-as></speak>",
        warnings=warnings,
    )
    assert [warning.split()[0] for warning in warnings] == [
        "<amazon:effect>", "<phoneme>", "<prosody", "a",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("<speak>a & b</speak>", "line 1, column 11: the text is not well-formed (invalid token)"),
        ("<speak>\n  hi</p></speak>", "line 2, column 7: the text is not well-formed (mismatched"),
        ("<speak>hi", "line 1, column 10: the text ends inside"),
        ("<speak>&bomb;</speak>", "line 1, column 8: the text is not well-formed (undefined ent"),
        ("<speak><mark/></speak>", "line 1, column 8: <mark> must have a name"),
        ("<?xml version='1.0'?><!DOCTYPE a [<!ENTITY b 'c'>]><speak/>", "line 1, column 24"),
        ("<speak>" + "<p>" * 1_000_000, "elements may be nested at most 64 deep"),
        ("<speak>" + "<" * 1_000_000, "line 1, column 9: the text is not well-formed"),
        ("<speak a='" + "x" * 1_000_000, "a tag or comment must have at most 16384 bytes"),
        ("<speak><!--" + "x" * 1_000_000, "a tag or comment must have at most 16384 bytes"),
    ],
)
def test_wrong_ssml_is_refused_with_line_and_column(text: str, where: str) -> None:
    with pytest.raises(InvalidArgument, match=r"^text: SSML, ") as caught:
        parts(text)
    assert where in str(caught.value)


def test_too_many_pauses_are_refused() -> None:
    assert len(parts("<speak>" + "<break time='0s'/>" * 1000 + "a</speak>")) == 1001
    with pytest.raises(InvalidArgument, match="at most 1000 pauses"):
        parts("<speak>" + "<break time='0s'/>" * 1001 + "a</speak>")


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(1, len(DOCUMENT) - 1), unique=True).map(sorted))
@example(list(range(1, len(DOCUMENT))))
def test_cuts_of_ssml_do_not_change_its_parts(cuts: list[int]) -> None:
    assert parts(DOCUMENT, cuts=cuts) == parts(DOCUMENT)


@settings(max_examples=100, deadline=None)
@given(st.text(alphabet="<>/=\"'&;ab.! \n", max_size=60), st.integers(0, 60))
def test_any_ssml_is_read_or_refused_however_it_is_cut(text: str, cut: int) -> None:
    whole, cut_once = _parts_or_error(f"<speak>{text}"), _parts_or_error(f"<speak>{text}", 7 + cut)
    assert whole == cut_once


def _parts_or_error(text: str, *cuts: int) -> object:
    try:
        return parts(text, cuts=[min(cut, len(text)) for cut in cuts])
    except InvalidArgument as error:
        return str(error)


def test_known_segments_are_found_again_in_ssml() -> None:
    long = DOCUMENT.replace("World Wide Web", "very long " * 40)
    for text in (DOCUMENT, long):
        found = parts(text)
        again = parts(text, known=cuts_of(found))
        assert [
            replace(each, redraws=None) if isinstance(each, Segment) else each for each in again
        ] == found


@pytest.mark.parametrize(
    ("phoneme", "spoken"),
    [
        ("alphabet='ipa' ph='təˈmeɪtoʊ'", "tuh-maytoh"),
        ("ph='/ˈpiː.kæn/'", "pee-kan"),
        ("alphabet='x-arpabet' ph='T AH0 M EY1 T OW2'", "tuh-may-toh"),
        ("alphabet='cmu-arpabet' ph='P IY1 K AA2 N'", "pee-kahn"),
        ("alphabet='x-sampa' ph='pI&quot;kA:n'", "pi-kahn"),
    ],
)
def test_phoneme_is_spelled_in_english(phoneme: str, spoken: str) -> None:
    warnings: list[str] = []
    text = f"<speak>A <phoneme {phoneme}>word</phoneme>.</speak>"
    (segment,) = parts(text, warnings=warnings)
    assert isinstance(segment, Segment)
    assert (segment.text, warnings) == (f"A {spoken}.", [])
    assert text[slice(*segment.span(2, 3))] == "word"


@pytest.mark.parametrize(
    ("markup", "warning"),
    [
        ("<phoneme alphabet='ups' ph='a'>word</phoneme>", "the alphabet 'ups' is unknown"),
        ("<phoneme alphabet='x-arpabet' ph='Q9'>word</phoneme>", "the sound 'Q9' is unknown"),
        ("<phoneme ph='ʘ'>word</phoneme>", "the sound 'ʘ' is unknown"),
        ("<lang xml:lang='de'><phoneme ph='a'>word</phoneme></lang>", "in English text only"),
    ],
)
def test_phoneme_without_spelling_speaks_its_text(markup: str, warning: str) -> None:
    warnings: list[str] = []
    assert [each.text for each in parts(f"<speak>{markup}</speak>", warnings=warnings)] == ["word"]
    assert warning in warnings[0]
