"""How long reading a text holds the event loop."""

import time

import pytest

from barkserve.errors import InvalidArgument
from barkserve.orchestrator.text.markup.formats import make_markup
from barkserve.orchestrator.text.markup.say_as import load_locales, say_as
from barkserve.orchestrator.text.segmenter import Segmenter
from tests.orchestrator.text.markup import BUDGET, FORMATS

MAX_SLICE_S = 0.05
"""CPU time between two moments at which other tasks can run."""

PATTERNS = (
    "[", "*a ", "_a ", "~~a ", "`a", "``a`", "<a", "<!--", "| a\n", "|-|\n", "![", "- ", "-\n", "#",
    "> ", "&a", "\\", "\n", "```\n", "1.", "@a.", "a@b.c ", "www.a.", "[a](", "[a]: ", "[pause] ",
    "a", "a. ", "Dr. ", "中", "\U0001f600", ". ", " ",
)  # fmt: skip
ELEMENTS = (
    "<p><s>a</s></p>", "<a/>", "<sub alias='b'>a</sub>", "&amp;", "<phoneme ph='a'>b</phoneme>",
    "<say-as interpret-as='date'>1/2/2020</say-as> ", "<prosody rate='80%'>a</prosody>", "a",
    "<say-as interpret-as='currency'>$12.50</say-as> ", "<mark name='a'/>a", "<s>a</s>",
)  # fmt: skip


def longest_slice_s(text: str, text_format: str) -> float:
    """Return the most CPU time of one step, the best of three tries."""
    return min(max(_slices(text, text_format)) for _ in range(3))


def _slices(text: str, text_format: str) -> list[float]:
    markup = make_markup(FORMATS[text_format], lambda *_: None)
    segmenter = Segmenter("en", BUDGET, (), markup)
    slices, part = [], None
    start = time.thread_time()
    segmenter.push(text)
    segmenter.end()
    while not slices or part is not None:
        try:
            part = segmenter.next()
        except InvalidArgument:
            part = None
        slices.append(time.thread_time() - start)
        start = time.thread_time()
    return slices


@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize("text_format", ["auto", "markdown"])
def test_markdown_is_read_in_short_slices(pattern: str, text_format: str) -> None:
    text = pattern * (8_000 // len(pattern)) + "a"
    assert longest_slice_s(text, text_format) < MAX_SLICE_S


@pytest.mark.parametrize("element", ELEMENTS)
def test_ssml_is_read_in_short_slices(element: str) -> None:
    text = f"<speak>{element * (8_000 // len(element))}</speak>"
    assert longest_slice_s(text, "ssml") < MAX_SLICE_S


@pytest.mark.parametrize("language", ["en", "de", "hi", "ja", "pl", "zh"])
def test_loaded_locales_make_the_first_date_fast(language: str) -> None:
    load_locales()
    start = time.thread_time()
    assert say_as("date", "dmy", "5/11/2024", language)
    assert time.thread_time() - start < MAX_SLICE_S
