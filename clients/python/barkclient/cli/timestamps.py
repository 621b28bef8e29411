"""Writes word times as subtitles (.srt, .vtt) or as JSON."""

import json
from collections.abc import Callable, Mapping, Sequence
from html import escape
from pathlib import Path

from barkclient.cli.cues import Cue, cues
from barkclient.errors import InvalidRequest, ServerError
from barkclient.responses import SegmentReport, WordTime

_Writer = Callable[[Sequence[Cue], Sequence[WordTime]], str]


def check_timestamps(path: str | None) -> None:
    """Check the suffix of a timestamps file. None is allowed.

    Raises:
        InvalidRequest: the suffix is unknown.
    """
    if path is not None and Path(path).suffix.lower() not in _WRITERS:
        raise InvalidRequest(f"--timestamps: {path} must end in one of {', '.join(_WRITERS)}")


def write_timestamps(
    path: str,
    words: Sequence[WordTime],
    text: str,
    segments: Sequence[SegmentReport],
    *,
    plain: bool = False,
) -> None:
    """Write a timestamps file.

    Args:
        path: the file; its suffix sets the format.
        words: in the order of speech.
        text: the text that was spoken.
        segments: the segments in which it was spoken. A subtitle never spans two of them.
        plain: whether the text has no markup.

    Raises:
        ServerError: there are no words.
    """
    if not words:
        raise ServerError(f"the server sent no word times: {path} was not written")
    shown = list(cues(words, text, segments, plain=plain))
    content = _WRITERS[Path(path).suffix.lower()](shown, words)
    Path(path).write_text(content, encoding="utf-8")


def _srt(shown: Sequence[Cue], _: object) -> str:
    return "\n".join(
        f"{number}\n{_clock(cue.start_s, ',')} --> {_clock(cue.end_s, ',')}\n"
        + "".join(f"{line}\n" for line in cue.lines)
        for number, cue in enumerate(shown, 1)
    )


def _vtt(shown: Sequence[Cue], _: object) -> str:
    """Return WebVTT, in which & < > are escaped (https://www.w3.org/TR/webvtt1/#cue-text)."""
    blocks = [
        f"{_clock(cue.start_s, '.')} --> {_clock(cue.end_s, '.')}\n"
        + "".join(f"{escape(line, quote=False)}\n" for line in cue.lines)
        for cue in shown
    ]
    return "\n".join(["WEBVTT\n", *blocks])


def _json(_: object, words: Sequence[WordTime]) -> str:
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
