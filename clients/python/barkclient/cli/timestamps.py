"""Writes word times as subtitles (.srt, .vtt) or as JSON."""

import json
import re
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from itertools import groupby
from pathlib import Path
from textwrap import wrap

from barkclient.errors import InvalidRequest, ServerError
from barkclient.responses import SegmentReport, WordTime

# At most two lines of 42 characters, as in the BBC's and Netflix's guidelines for subtitles.
_MAX_LINE_CHARACTERS = 42
_MAX_LINES = 2
_PAUSES = tuple(",;:.!?\u2026\u3002\uff0c\u3001\uff01\uff1f\u0964")


# Of SSML and Markdown: tags, targets of links, and signs next to a word.
_MARKUP = re.compile(r"<[^<>]*>|\]\([^()\s]*\)|(?<=\S)[*_`~\[\]]+|[*_`~\[\]]+(?=\S)")

_Writer = Callable[[Sequence[WordTime], str, Sequence[SegmentReport]], str]


@dataclass(frozen=True)
class Cue:
    """A subtitle: one or two lines that are shown together.

    Attributes:
        start_s: in seconds from the start of the audio.
        end_s: likewise.
        lines: what is shown.
    """

    start_s: float
    end_s: float
    lines: tuple[str, ...]


def check_timestamps(path: str | None) -> None:
    """Check the suffix of a timestamps file. None is allowed.

    Raises:
        InvalidRequest: the suffix is unknown.
    """
    if path is not None and Path(path).suffix.lower() not in _WRITERS:
        raise InvalidRequest(f"--timestamps: {path} must end in one of {', '.join(_WRITERS)}")


def write_timestamps(
    path: str, words: Sequence[WordTime], text: str, segments: Sequence[SegmentReport]
) -> None:
    """Write a timestamps file.

    Args:
        path: the file; its suffix sets the format.
        words: in the order of speech.
        text: the text that was spoken.
        segments: the segments in which it was spoken. A subtitle never spans two of them.

    Raises:
        ServerError: there are no words.
    """
    if not words:
        raise ServerError(f"the server sent no word times: {path} was not written")
    content = _WRITERS[Path(path).suffix.lower()](words, text, segments)
    Path(path).write_text(content, encoding="utf-8")


def cues(words: Sequence[WordTime], text: str, segments: Sequence[SegmentReport]) -> Iterator[Cue]:
    """Group words, and the marks between them, into subtitles.

    Each segment begins a subtitle. A longer segment is divided after a comma or the like if there
    is one in the second line.
    """
    text = _without_markup(text, words)
    ends = [segment.text_end for segment in segments]
    for index, group in groupby(words, lambda word: bisect_right(ends, word.text_start)):
        spoken = list(group)
        if index < len(segments):
            yield from _cues_of_segment(spoken, text[: ends[index]], segments[index].text_start)
        else:
            yield from _cues_of_segment(spoken, text, spoken[0].text_start)


def _without_markup(text: str, words: Sequence[WordTime]) -> str:
    """Replace the markup between words by zeros, so that all places stay the same."""
    parts, end = [], 0
    for start, stop in [*((word.text_start, word.text_end) for word in words), (len(text), 0)]:
        if start >= end:  # words that SSML puts in the place of a text share its place
            between = f"a{text[end:start]}a"  # a letter, for the words next to it
            blank = _MARKUP.sub(lambda match: "\0" * len(match[0]), between)
            parts += [blank[1:-1], text[start:stop]]
            end = stop
    return "".join(parts)


def _cues_of_segment(words: Sequence[WordTime], text: str, start: int) -> Iterator[Cue]:
    """Group the words of one segment.

    Args:
        words: its words.
        text: the text up to its end.
        start: where it begins in the text.
    """
    starts = [start, *(word.text_start for word in words[1:]), len(text)]
    first = 0
    while first < len(words):
        last = first + 1
        while last < len(words) and _fits(text[starts[first] : starts[last + 1]]):
            last += 1
        if last < len(words):
            last = _best_end(text, starts, first, last)
        lines = _lines(text[starts[first] : starts[last]])
        yield Cue(words[first].start_s, words[last - 1].end_s, tuple(lines))
        first = last


def _best_end(text: str, starts: Sequence[int], first: int, last: int) -> int:
    """Return the last word boundary at a pause if the second line reaches it, else `last`."""
    for end in range(last, first, -1):
        shown = text[starts[first] : starts[end]].rstrip()
        if len(shown) <= _MAX_LINE_CHARACTERS:
            break
        if shown.endswith(_PAUSES):
            return end
    return last


def _lines(text: str) -> list[str]:
    return wrap(" ".join(text.replace("\0", "").split()), _MAX_LINE_CHARACTERS)


def _fits(text: str) -> bool:
    return len(_lines(text)) <= _MAX_LINES


def _srt(words: Sequence[WordTime], text: str, segments: Sequence[SegmentReport]) -> str:
    return "\n".join(
        f"{number}\n{_clock(cue.start_s, ',')} --> {_clock(cue.end_s, ',')}\n"
        + "".join(f"{line}\n" for line in cue.lines)
        for number, cue in enumerate(cues(words, text, segments), 1)
    )


def _vtt(words: Sequence[WordTime], text: str, segments: Sequence[SegmentReport]) -> str:
    """Return WebVTT, in which & < > are escaped (https://www.w3.org/TR/webvtt1/#cue-text)."""
    blocks = [
        f"{_clock(cue.start_s, '.')} --> {_clock(cue.end_s, '.')}\n"
        + "".join(f"{escape(line, quote=False)}\n" for line in cue.lines)
        for cue in cues(words, text, segments)
    ]
    return "\n".join(["WEBVTT\n", *blocks])


def _json(words: Sequence[WordTime], *_: object) -> str:
    entries = [
        {
            "word": word.word,
            "start": round(word.start_s, 4),
            "end": round(word.end_s, 4),
            "text_start": word.text_start,
            "text_end": word.text_end,
        }
        for word in words
    ]
    return json.dumps({"words": entries}, ensure_ascii=False, indent=1) + "\n"


def _clock(seconds: float, point: str) -> str:
    """Format a time as 00:01:02,345."""
    milliseconds = round(seconds * 1000)
    minutes, rest = divmod(milliseconds, 60_000)
    return f"{minutes // 60:02d}:{minutes % 60:02d}:{rest // 1000:02d}{point}{rest % 1000:03d}"


_WRITERS: Mapping[str, _Writer] = {".srt": _srt, ".vtt": _vtt, ".json": _json}
