"""Text that arrives in parts, with flushes: becomes segments that join to the text.

The first byte selects language and budget. Bytes that UTF-8 does not have separate the parts.
"""

import asyncio
import codecs
import re

from barkserve.errors import InvalidArgument
from barkserve.orchestrator.text.budget import Budget
from barkserve.orchestrator.text.feed import TextFeed
from barkserve.orchestrator.text.segment import Segment, split_in_half
from barkserve.orchestrator.text.segmenter import FlushMark, Segmenter, SkippedText
from barkserve.orchestrator.text.words import find_words
from barkserve.speakable import speakable
from tools.fuzz.sentences import SENTENCES

_LANGUAGES = ("", "en", "de-DE", "ja", "hi", "x-\u0131")
_BUDGETS = (Budget(162), Budget(162, letters_only=True, joins=False), Budget(8), Budget(1))
_CUT, _FLUSH, _EARLY = b"\xff", b"\xfe", b"\xfd"
_SIGNS = re.compile(b"([\xfd-\xff])")
_MAX_CHARACTERS = 4000


def fuzz(data: bytes) -> None:
    """Check the segments of a text."""
    choice, signs = data[:1], _SIGNS.split(data[1:])
    selected = choice[0] if choice else 0
    language = _LANGUAGES[selected % len(_LANGUAGES)]
    budget = _BUDGETS[selected // len(_LANGUAGES) % len(_BUDGETS)]
    try:
        fed = asyncio.run(_fed(signs, language, budget))
    except InvalidArgument:
        return
    flushed = b"".join(each for each in signs if each not in (_CUT, _EARLY))
    utf8 = codecs.getincrementaldecoder("utf-8")()  # a character may continue after a flush
    parts = [utf8.decode(part) for part in flushed.split(_FLUSH)]
    assert fed == _segments(parts, language, budget), "cuts change the segments"
    _check(fed, "".join(parts), budget)
    if _EARLY in signs:
        early = _early(signs, language, budget)
        _check(early, "".join(parts), budget)


def seeds() -> list[bytes]:
    """Sentences in one part, cut after each byte, with flushes, and with early segments."""
    texts = [text.encode() for text in SENTENCES]
    whole = [bytes([number]) + text for number, text in enumerate(texts)]
    cut = [bytes([6]) + _CUT.join(bytes([each]) for each in text) for text in texts]
    flushed = [bytes([number]) + _FLUSH.join(texts) for number in range(24)]
    split = b"\0" + "schön".encode().replace(b"\xb6", _FLUSH + b"\xb6")
    early = [
        bytes([number]) + text.replace(b" ", b" " + _EARLY) for number, text in enumerate(texts)
    ]
    return [*whole, *cut, *flushed, *early, split]


async def _fed(signs: list[bytes], language: str, budget: Budget) -> list[Segment]:
    feed = TextFeed(
        Segmenter(language, budget),
        lambda: None,
        _MAX_CHARACTERS,
        0.0,
        max_pending_flushes=_MAX_CHARACTERS,
        idle_s=0.0,
        count=lambda characters: None,
    )
    for sign in signs:
        if sign == _FLUSH:
            feed.flush("flush")
        elif sign not in (_CUT, _EARLY):
            feed.push_utf8(sign)
    feed.end()
    segments = []
    while (item := await feed.next()) is not None:
        if isinstance(item, Segment):
            segments.append(item)
    return segments


def _segments(parts: list[str], language: str, budget: Budget) -> list[Segment]:
    """The segments of a text that arrives at once, apart from its flushes."""
    segmenter = Segmenter(language, budget)
    for number, part in enumerate(parts):
        if number:
            segmenter.flush("flush")
        segmenter.push(part)
    segmenter.end()
    return _ready(segmenter)


def _early(signs: list[bytes], language: str, budget: Budget) -> list[Segment]:
    """The segments of a text that is spoken as early as possible after some parts."""
    segmenter = Segmenter(language, budget)
    utf8 = codecs.getincrementaldecoder("utf-8")()
    segments = []
    for sign in signs:
        if sign == _EARLY:
            segments += _ready(segmenter)
            if isinstance(segment := segmenter.next_early(), Segment):
                segments.append(segment)
        elif sign not in (_CUT, _FLUSH):
            segmenter.push(utf8.decode(sign))
    segmenter.end()
    return segments + _ready(segmenter)


def _ready(segmenter: Segmenter) -> list[Segment]:
    segments = []
    while (item := segmenter.next()) is not None:
        assert isinstance(item, Segment | FlushMark | SkippedText)
        if isinstance(item, Segment):
            segments.append(item)
    return segments


def _check(segments: list[Segment], text: str, budget: Budget) -> None:
    """Check that segments are the text without anything silent, in order."""
    end = 0
    for segment in segments:
        assert segment.text == text[segment.start : segment.end], "a segment is not in the text"
        assert not speakable(text[end : segment.start]), "text is lost"
        assert end <= segment.start, "segments overlap"
        assert speakable(segment.text), "a segment has nothing to speak"
        end = segment.end
        _check_parts(segment, text, budget)
    assert not speakable(text[end:]), "the end of the text is lost"


def _check_parts(segment: Segment, text: str, budget: Budget) -> None:
    for word in find_words(segment.text):
        assert word.text == segment.text[word.start : word.end], "a word is not in its segment"
    if len(segment.text) > 1:
        for half in split_in_half(segment, budget):
            assert half.text == text[half.start : half.end], "a half is not in the text"
            assert len(half.text) < len(segment.text), "a half is as long as its segment"
