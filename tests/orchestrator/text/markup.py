"""Segments of a text with markup, for tests."""

from collections.abc import Sequence
from itertools import pairwise

from barkserve.orchestrator.text.budget import Budget
from barkserve.orchestrator.text.markup.formats import make_markup
from barkserve.orchestrator.text.markup.items import Mark, Pause
from barkserve.orchestrator.text.segment import Segment
from barkserve.orchestrator.text.segmenter import Cut, Part, Segmenter, SkippedText
from barkserve.v1 import speech_pb2

BUDGET = Budget(160)
FORMATS = {
    "auto": speech_pb2.TEXT_FORMAT_AUTO,
    "plain": speech_pb2.TEXT_FORMAT_PLAIN,
    "markdown": speech_pb2.TEXT_FORMAT_MARKDOWN,
    "ssml": speech_pb2.TEXT_FORMAT_SSML,
}


def parts(
    text: str,
    text_format: str = "auto",
    cuts: Sequence[int] = (),
    *,
    known: Sequence[Cut] = (),
    warnings: list[str] | None = None,
) -> list[Part]:
    """All parts of a text that arrives split at the cuts, each read as soon as it has arrived."""
    warn = [] if warnings is None else warnings
    markup = make_markup(FORMATS[text_format], lambda message, *_: warn.append(message))
    segmenter, found = Segmenter("en", BUDGET, known, markup), []
    for start, end in pairwise((0, *cuts, len(text))):
        segmenter.push(text[start:end])
        if cuts:
            found += drain(segmenter)
    segmenter.end()
    return found + drain(segmenter)


def drain(segmenter: Segmenter) -> list[Part]:
    """All parts that are ready."""
    found = []
    while (item := segmenter.next()) is not None:
        if not isinstance(item, SkippedText):
            found.append(item)
    return found


def spoken(text: str, text_format: str = "auto") -> list[str | float]:
    """The texts of the segments, the seconds of pauses, and the names of marks between them."""
    return [_short(part) for part in parts(text, text_format)]


def _short(part: Part) -> str | float:
    match part:
        case Segment():
            return part.text
        case Pause(seconds):
            return seconds
        case Mark(name):
            return f"<{name}>"
    raise AssertionError(part)


def cuts_of(found: Sequence[Part]) -> list[Cut]:
    """The segments as a client that resumes would name them."""
    return [Cut(each.start, len(each.text), 0) for each in found if isinstance(each, Segment)]
