"""Divides spoken words into captions."""

import html
import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise

from barkclient.cli.phrases import break_cost
from barkclient.responses import SegmentReport, WordTime

# As in the BBC's and Netflix's guidelines for subtitles.
MAX_LINE_CHARACTERS = 42
MAX_LINES = 2
MAX_CUE_S = 7.0
MIN_CUE_S = 0.83

_CUE_COST = 3  # of one more caption
_TOO_LONG_COST = _TOO_SHORT_COST = 10
_IMBALANCE_COST = 0.1  # of each character by which one line is longer than the other
_MOST_CHARACTERS = MAX_LINES * MAX_LINE_CHARACTERS

# Of SSML and Markdown: tags, targets of links, and signs next to a word.
_MARKUP = re.compile(r"<[^<>]*>|\]\([^()\s]*\)|(?<=\S)[*_`~\[\]]+|[*_`~\[\]]+(?=\S)")
_DROPPED = "\0"  # stands for a character that is not shown


@dataclass(frozen=True)
class Cue:
    """A caption: one or two lines that are shown together.

    Attributes:
        start_s: in seconds from the start of the audio.
        end_s: likewise.
        lines: what is shown.
    """

    start_s: float
    end_s: float
    lines: tuple[str, ...]


def cues(
    words: Sequence[WordTime], text: str, segments: Sequence[SegmentReport], *, plain: bool = False
) -> Iterator[Cue]:
    """Group words, and the marks between them, into captions.

    Each segment begins a caption. A longer segment is divided where a phrase ends.

    Args:
        words: in the order of speech.
        text: the text that was spoken.
        segments: the segments in which it was spoken.
        plain: whether the text has no markup.
    """
    shown = text if plain else _without_markup(text, words)
    ends = [segment.text_end for segment in segments]
    for index, group in groupby(words, lambda word: bisect_right(ends, word.text_start)):
        spoken = list(group)
        known = index < len(segments)
        start = segments[index].text_start if known else spoken[0].text_start
        part = shown[: ends[index]] if known else shown
        yield from _Caption(spoken, part, start, plain=plain).cues()


def _without_markup(text: str, words: Sequence[WordTime]) -> str:
    """Mark the markup between words as not shown, so that all places stay the same."""
    parts, end = [], 0
    for start, stop in [*((word.text_start, word.text_end) for word in words), (len(text), 0)]:
        if start >= end:  # words that SSML puts in the place of a text share its place
            between = f"a{text[end:start]}a"  # a letter, for the words next to it
            blank = _MARKUP.sub(lambda match: _DROPPED * len(match[0]), between)
            parts += [blank[1:-1], text[start:stop]]
            end = stop
    return "".join(parts)


class _Caption:
    """The captions of one segment.

    Args:
        words: its words.
        text: the text up to its end.
        start: where it begins in the text.
        plain: whether the text has no markup, so that "&amp;" is shown as it is.
    """

    def __init__(self, words: Sequence[WordTime], text: str, start: int, *, plain: bool) -> None:
        self._words = words
        places = [start]
        for before, after in pairwise(words):
            between = text[before.text_end : after.text_start]
            space = max((n for n, sign in enumerate(between) if sign.isspace()), default=-1)
            places.append(after.text_start if space < 0 else before.text_end + space + 1)
        places.append(len(text))
        self._tokens = [_shown(text[first:last], plain=plain) for first, last in pairwise(places)]

    def cues(self) -> Iterator[Cue]:
        """The captions with the lowest cost."""
        first = 0
        for last in self._ends():
            start_s, end_s = self._words[first].start_s, self._words[last - 1].end_s
            if lines := self._lines(first, last)[1]:
                yield Cue(start_s, end_s, lines)
            first = last

    def _ends(self) -> list[int]:
        """The number of words before the end of each caption, by dynamic programming."""
        count = len(self._words)
        best: list[tuple[float, int]] = [(0.0, count)] * (count + 1)  # cost, end of the first one
        for first in range(count - 1, -1, -1):
            choices = []
            for last in range(first + 1, count + 1):
                cost, lines = self._lines(first, last)
                if not lines and last > first + 1:
                    break
                choices.append((cost + self._cost(first, last) + best[last][0], -last))
            cost, end = min(choices)
            best[first] = cost, -end
        ends, place = [], 0
        while place < count:
            place = best[place][1]
            ends.append(place)
        return ends

    def _cost(self, first: int, last: int) -> float:
        """The cost of a caption, and of the break after it."""
        duration_s = self._words[last - 1].end_s - self._words[first].start_s
        cost = float(_CUE_COST)
        if duration_s > MAX_CUE_S:
            cost += _TOO_LONG_COST
        if last < len(self._words):
            cost += 2 * break_cost(self._tokens[last - 1], self._tokens[last])
            cost += _TOO_SHORT_COST * (duration_s < MIN_CUE_S)
        return cost

    def _lines(self, first: int, last: int) -> tuple[float, tuple[str, ...]]:
        """The lines of a caption and the cost of the break between them; no lines: too long."""
        whole = _joined(self._tokens[first:last])
        if len(whole) <= MAX_LINE_CHARACTERS:
            return 0.0, (whole,) if whole else ()
        if last == first + 1:
            return 0.0, tuple(
                whole[n : n + MAX_LINE_CHARACTERS]
                for n in range(0, len(whole), MAX_LINE_CHARACTERS)
            )
        choices = []
        for middle in range(first + 1, last) if len(whole) <= _MOST_CHARACTERS else ():
            lines = _joined(self._tokens[first:middle]), _joined(self._tokens[middle:last])
            if max(map(len, lines)) <= MAX_LINE_CHARACTERS:
                cost = break_cost(self._tokens[middle - 1], self._tokens[middle])
                imbalance = abs(len(lines[0]) - len(lines[1]))
                choices.append((cost + _IMBALANCE_COST * imbalance, lines))
        return min(choices, default=(0.0, ()))


def _shown(text: str, *, plain: bool) -> str:
    visible = text.replace(_DROPPED, "")
    return visible if plain else html.unescape(visible)


def _joined(tokens: Sequence[str]) -> str:
    return " ".join("".join(tokens).split())
