"""The formats that `barkclient say` writes, and what each asks of the server. Writes nothing."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from barkclient.errors import InvalidRequest
from barkclient.options import Encoding

Format = Literal["wav", "pcm", "flac", "opus", "mp3", "mulaw", "alaw"]
Samples = Literal["pcm16", "float32"]

FORMATS: tuple[Format, ...] = get_args(Format)

_ENCODINGS: Mapping[Format, Encoding] = {
    "flac": "flac",
    "opus": "ogg_opus",
    "mp3": "mp3",
    "mulaw": "mulaw",
    "alaw": "alaw",
}
_SUFFIXES: Mapping[str, Format] = {
    ".wav": "wav",
    ".pcm": "pcm",
    ".raw": "pcm",
    ".flac": "flac",
    ".opus": "opus",
    ".ogg": "opus",
    ".mp3": "mp3",
    ".ulaw": "mulaw",
    ".mulaw": "mulaw",
    ".ul": "mulaw",
    ".alaw": "alaw",
    ".al": "alaw",
}


@dataclass(frozen=True)
class Target:
    """Where the audio goes.

    Attributes:
        output: a file, "-" for standard output, None for no file.
        format: of that file.
        samples: of wav and pcm.
    """

    output: str | None
    format: Format
    samples: Samples

    @property
    def encoding(self) -> Encoding:
        """What to ask the server for; a WAV's header is written here, where it can be mended."""
        return _ENCODINGS.get(self.format, self.samples)

    @property
    def playable(self) -> bool:
        """Whether the bytes that come are samples that a sound device takes."""
        return self.format in ("wav", "pcm")


def choose_target(
    output: str | None, format_: Format | None, samples: Samples, *, play: bool
) -> Target:
    """The format that was asked for, else that of the file's name, else WAV. Who only listens gets
    no file.
    """
    chosen = format_ or _SUFFIXES.get(Path(output or "").suffix.lower(), "wav")
    if output is None and not play:
        output = f"speech.{chosen}"
    target = Target(output, chosen, samples)
    if play and not target.playable:
        raise InvalidRequest(f"--play needs a file of wav or pcm beside it, not of {chosen}")
    if samples != "pcm16" and not target.playable:
        raise InvalidRequest(f"--encoding says how wav and pcm hold samples; {chosen} has its own")
    return target
