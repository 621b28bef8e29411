"""The segmenter: sentence ends, sizes of segments, and the same segments for any split."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from barkserve.orchestrator.text.budget import Budget
from barkserve.orchestrator.text.segment import Segment, split_in_half
from barkserve.orchestrator.text.segmenter import FlushMark, Segmenter, SkippedText
from barkserve.speakable import speakable

BUDGET = Budget(160)


def drain(segmenter: Segmenter) -> list[Segment | FlushMark]:
    found = []
    while (item := segmenter.next()) is not None:
        if not isinstance(item, SkippedText):
            found.append(item)
    return found


def segments(text: str, *cuts: int, language: str = "", budget: Budget = BUDGET) -> list[Segment]:
    """The segments of a text that arrives split at the cuts."""
    segmenter, found = Segmenter(language, budget), []
    for start, end in pairwise((0, *cuts, len(text))):
        segmenter.push(text[start:end])
        found += drain(segmenter)
    segmenter.end()
    return found + drain(segmenter)


def texts(text: str, language: str = "", budget: Budget = BUDGET) -> list[str]:
    return [segment.text for segment in segments(text, language=language, budget=budget)]


SENTENCES = {
    "en": [
        "Hello, Mr. Smith, it costs $3.50 today, e.g. at 5 p.m. in the U.S. market.",
        "See https://example.com/a.b?c=d.html and mail me@example.com.",
        "J. R. R. Tolkien wrote No. 5, approx. two hundred pages (Fig. 3).",
        '"Is it?" she asked.',
        "He said \"Go.\"",
        "Version 2.0.1 is out 😀 at last!",
        "Wait... what?!",
        "No.",
        "They marry in May.",
        "It was May. 5, 1999, not June.",
    ],
    "de": ["Das ist z. B. ein Satz von Dr. Müller.", "Die 2. Auflage kostet am 3. Mai 3,50 EUR."],
    "es": ["El Sr. García vive en EE. UU. desde 1990.", "¿Cómo estás?", "¡Muy bien!"],
    "fr": ["M. Dupont est arrivé.", "C'est vrai ?", "Il a dit : « Bonjour. »"],
    "hi": ["यह एक वाक्य है।", "डॉ. शर्मा आए हैं!", "क्या तुम ठीक हो?"],
    "it": ["Il sig. Rossi è qui.", "Costa 3.50 euro, come va?"],
    "ja": ["これは文です。", "本当ですか？", "3.5キロです！"],
    "ko": ["안녕하세요.", "3.5킬로입니다!", "잘 지내요?"],
    "pl": ["To jest np. zdanie.", "Dziś jest 3. Maja, godz. 5 rano.", "Tak?"],
    "pt": ["O Sr. Silva e a Profa. Ana chegaram.", "Tudo bem?", "Custa 3,50."],
    "ru": ["Он родился в 1990 г. в Москве, т. е. давно.", "А. С. Пушкин писал?", "Да!"],
    "tr": ["Dr. Ahmet 3. Kata geldi.", "Nasılsın?", "İyi!"],
    "zh": ["这是一个句子。", "他说：“好的。”", "真的吗？"],
}  # fmt: skip


@pytest.mark.parametrize("language", SENTENCES)
def test_segmenter_finds_sentences_of_every_language(language: str) -> None:
    space = "" if language in ("ja", "zh") else " "
    for first in SENTENCES[language]:
        for second in SENTENCES[language]:
            assert texts(first + space + second, language)[0] == first


def test_segmenter_joins_short_sentences_after_the_first() -> None:
    assert texts("Yes. I am. You are. He is. " + "It really is a long one. " * 7) == [
        "Yes.",
        "I am. You are. He is. It really is a long one.",
        " ".join(["It really is a long one."] * 4),
        " ".join(["It really is a long one."] * 2),
    ]


def test_segmenter_does_not_join_if_the_budget_forbids_it() -> None:
    budget = Budget(100, letters_only=True, joins=False)
    assert texts("Yes. Never. Oh!", budget=budget) == ["Yes.", "Never.", "Oh!"]


def test_segmenter_splits_long_sentences_at_clauses_or_words() -> None:
    clause = "and so it went on and on and on without any end, "
    assert texts(clause * 7)[0] == (clause * 3).strip()
    words = texts("word " * 100)
    assert all(set(text.split(" ")) == {"word"} and len(text) <= 160 for text in words)
    assert list(map(len, texts("x" * 400))) == [160, 160, 80]
    assert all(text.count("e") * 3 == len(text) for text in texts("e\u0301\u0302" * 100))


def test_digits_and_other_scripts_cost_their_spoken_length() -> None:
    assert max(map(len, texts("7" * 100))) == 32
    assert max(map(len, texts("你好" * 100))) == 53
    assert max(map(len, texts("你好" * 100, budget=Budget(102, letters_only=True)))) == 17


def test_blank_line_ends_a_sentence_but_a_line_end_does_not() -> None:
    assert texts("Title\n\nOnce upon\na time.") == ["Title", "Once upon\na time."]


def test_segmenter_skips_text_without_speech() -> None:
    assert texts("?! 😀 ... \n\n --- \n") == []
    assert texts("😀 Hello. 😀😀 ...") == ["😀 Hello."]


@pytest.mark.parametrize("space", ["\u00a0", "\u202f", "\u2009", "\u2028", "\u3000", "\t"])
def test_segmenter_accepts_any_space_before_a_period(space: str) -> None:
    text, budget = "We take plan B{}. Hello there. Yes.", Budget(160, joins=False)
    found = segments(text.format(space), budget=budget)
    plain = segments(text.format(" "), budget=budget)
    assert [segment.text.replace(space, " ") for segment in found] == [
        segment.text for segment in plain
    ]
    assert len(found) == 2


@pytest.mark.timeout(60)
@pytest.mark.parametrize("joins", [True, False])
def test_segmenter_is_fast_with_a_million_blanks(joins: bool) -> None:
    text = "\n" * 1_000_000 + "Hello." + " " * 1_000_000 + "Bye.\n\n" + "\n" * 1_000_000 + "Ah."
    found = segments(text, budget=Budget(160, joins=joins))
    assert [text[segment.start : segment.end] for segment in found] == ["Hello.", "Bye.", "Ah."]


def test_flush_returns_all_text_and_a_mark() -> None:
    segmenter = Segmenter("en", BUDGET)
    segmenter.push("Hello. How are")
    segmenter.flush("a")
    segmenter.push(" you")
    segmenter.flush("b")
    assert drain(segmenter) == [
        Segment("Hello.", 0),
        Segment("How are", 7),
        FlushMark("a"),
        Segment("you", 15),
        FlushMark("b"),
    ]


@pytest.mark.parametrize(
    ("text", "spoken"),
    [
        ("I think, and thus", "I think,"),
        ("I think and th", "I think and"),
        ("This is it.", "This is it."),
        ("Ask Dr.", "Ask"),
        ("Hel", None),
        ("你好", "你好"),
    ],
)
def test_next_early_returns_clauses_and_words(text: str, spoken: str | None) -> None:
    segmenter = Segmenter("", BUDGET)
    segmenter.push(text)
    assert segmenter.next() is None
    segment = segmenter.next_early()
    assert (segment and segment.text) == spoken


def test_next_early_returns_held_sentences_first() -> None:
    segmenter = Segmenter("", BUDGET)
    segmenter.push("Yes, I can. I do. And th")
    assert drain(segmenter) == [Segment("Yes, I can.", 0)]
    assert segmenter.holds_sentences
    assert segmenter.next_early() == Segment("I do.", 12)
    assert not segmenter.holds_sentences


ALPHABET = st.sampled_from(
    [*"aB1.!?,;: \n\"')(\u00a0\u2028你。」é\u0301😀।", "Dr. ", "e.g. ", "Hi", "3.5"]
)
TEXT = st.one_of(st.lists(ALPHABET, max_size=120).map("".join), st.text(max_size=120))


@given(TEXT, st.data(), st.sampled_from(["", "en", "de", "zh"]), st.sampled_from([10, 30, 160]))
def test_segments_are_the_same_for_any_split(
    text: str, data: st.DataObject, language: str, limit: int
) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=20)))
    budget = Budget(limit)
    at_once = segments(text, language=language, budget=budget)
    assert segments(text, *cuts, language=language, budget=budget) == at_once
    assert segments(text, *range(len(text)), language=language, budget=budget) == at_once
    spoken = set()
    for segment in at_once:
        assert text[segment.start : segment.end] == segment.text
        assert speakable(segment.text)
        assert budget.cost(segment.text) <= limit or len(segment.text) == 1
        spoken |= set(range(segment.start, segment.end))
    assert not speakable("".join(each for at, each in enumerate(text) if at not in spoken))
    assert [segment.start for segment in at_once] == sorted({segment.start for segment in at_once})


@given(TEXT.filter(lambda text: len(text) > 1 and speakable(text)))
def test_split_in_half_keeps_all_speech(text: str) -> None:
    segment = Segment(text.strip(), 5)
    if len(segment.text) < 2:
        return
    parts = split_in_half(segment, BUDGET)
    assert all(len(part.text) < len(segment.text) for part in parts)
    for part in parts:
        assert segment.text[part.start - 5 : part.end - 5] == part.text
    said = "".join("".join(part.text.split()) for part in parts if part.text)
    letters = [each for each in segment.text if speakable(each)]
    assert [each for each in said if speakable(each)] == letters


class CountingBudget(Budget):
    """Counts the characters that the segmenter looks at."""

    count = 0

    def character_cost(self, character: str) -> int:
        CountingBudget.count += 1
        return super().character_cost(character)


ADVERSARIAL = [
    *(".", "[", "[a", "a", "7", "_", " ", "\n.", "a! ", "Ab cd. ", ".»", "«", ", ", "\u0301"),
    *("a\u0301\u0301", "\U0001f600", "中", "。", "-", "'", "A.", "1. ", "\u2003", "\u200d"),
]


def _work_of(text: str) -> tuple[int, int]:
    """Characters looked at for a whole text, and the most in one call of `next`."""
    segmenter, total, most = Segmenter("", CountingBudget(160)), 0, 0
    segmenter.push(text)
    segmenter.end()
    item: object = ""
    while item is not None:
        CountingBudget.count = 0
        item = segmenter.next()
        total += CountingBudget.count
        most = max(most, CountingBudget.count)
        assert len(segmenter._text) <= 2 * 4096  # what each call may copy
    return total, most


@pytest.mark.parametrize("pattern", ADVERSARIAL)
def test_segmenter_work_is_linear_for_any_text(pattern: str) -> None:
    """No text makes one call take long, or the work grow faster than the text."""
    (small, most_small), (large, most_large) = (
        _work_of((pattern * size)[:size]) for size in (5_000, 20_000)
    )
    assert large <= 5 * small + 100
    assert most_large <= max(1.2 * most_small, most_small + 100)
    assert most_large <= 20 * 160


@pytest.mark.parametrize("pattern", ["Ab cd. ", ".", " ", "中", "a, "])
def test_segments_of_long_text_do_not_depend_on_its_pushes(pattern: str) -> None:
    text = (pattern * 20_000)[:20_000] + "\n\nThe end. Really."
    cuts = (1, 4_095, 4_096, 4_097, 12_000)
    assert segments(text) == segments(text, *cuts)
    assert [segment.text for segment in segments(text)][-1].endswith("Really.")
