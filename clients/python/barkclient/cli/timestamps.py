"""Writes word times as subtitles (.srt, .vtt) or as JSON."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

from barkclient.errors import InvalidRequest, ServerError
from barkclient.responses import WordTime

_MAX_CUE_CHARACTERS = 42  # a line of subtitles
_CLOSING = "\"')]}\u2019\u201d\u00bb\u300d"  # may follow the end of a sentence
_SENTENCE_ENDS = tuple(".!?…。\uff01\uff1f।")


@dataclass(frozen=True)
class Cue:
    """A line of subtitles."""

    start_s: float
    end_s: float
    text: str


def check_timestamps(path: str | None) -> None:
    """Check the suffix of a timestamps file. None is allowed.

    Raises:
        InvalidRequest: the suffix is unknown.
    """
    if path is not None and Path(path).suffix.lower() not in _WRITERS:
        raise InvalidRequest(f"--timestamps: {path} must end in one of {', '.join(_WRITERS)}")


def write_timestamps(path: str, words: Sequence[WordTime], text: str) -> None:
    """Write a timestamps file.

    Args:
        path: the file; its suffix sets the format.
        words: in the order of speech.
        text: the text that was spoken.

    Raises:
        ServerError: there are no words.
    """
    if not words:
        raise ServerError(f"the server sent no word times: {path} was not written")
    content = _WRITERS[Path(path).suffix.lower()](words, text)
    Path(path).write_text(content, encoding="utf-8")


def cues(words: Sequence[WordTime], text: str) -> Iterator[Cue]:
    """Group words, and the marks between them, into lines that end at sentence ends."""
    line: list[WordTime] = []
    for word, following in zip_longest(words, words[1:]):
        line.append(word)
        shown = text[line[0].text_start : following.text_start if following else None]
        to_next = text[line[0].text_start : following.text_end if following else None]
        if (
            following is None
            or shown.rstrip().rstrip(_CLOSING).endswith(_SENTENCE_ENDS)
            or len(to_next) > _MAX_CUE_CHARACTERS
        ):
            yield Cue(line[0].start_s, line[-1].end_s, " ".join(shown.split()))
            line = []


def _srt(words: Sequence[WordTime], text: str) -> str:
    return "\n".join(
        f"{number}\n{_clock(cue.start_s, ',')} --> {_clock(cue.end_s, ',')}\n{cue.text}\n"
        for number, cue in enumerate(cues(words, text), 1)
    )


def _vtt(words: Sequence[WordTime], text: str) -> str:
    blocks = [
        f"{_clock(cue.start_s, '.')} --> {_clock(cue.end_s, '.')}\n{cue.text}\n"
        for cue in cues(words, text)
    ]
    return "\n".join(["WEBVTT\n", *blocks])


def _json(words: Sequence[WordTime], _: str) -> str:
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


_WRITERS = {".srt": _srt, ".vtt": _vtt, ".json": _json}
