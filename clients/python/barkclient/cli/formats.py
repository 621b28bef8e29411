"""The formats that `barkclient say` writes, and the encoding that each requests from the server."""

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
    """Where the audio is written.

    Attributes:
        output: a file, "-" for standard output, None for no file.
        format: of the file.
        samples: sample type of wav and pcm.
    """

    output: str | None
    format: Format
    samples: Samples

    @property
    def encoding(self) -> Encoding:
        """Encoding to request. WAV headers are written here, where they can be updated."""
        return _ENCODINGS.get(self.format, self.samples)

    @property
    def playable(self) -> bool:
        """Whether the audio consists of samples that a sound device accepts."""
        return self.format in ("wav", "pcm")


def choose_target(
    output: str | None, format_: Format | None, samples: Samples, *, play: bool
) -> Target:
    """Choose file and format from the options.

    The format is the one given, else that of the file's suffix, else WAV. With `play` and without
    `output`, no file is written.

    Raises:
        InvalidRequest: the options contradict each other.
    """
    chosen = format_ or _format_of(output)
    _check_suffix(output, chosen)
    if output is None and not play:
        output = f"speech.{chosen}"
    target = Target(output, chosen, samples)
    if play and not target.playable:
        raise InvalidRequest(f"--play works only with wav and pcm, not with {chosen}")
    if samples != "pcm16" and not target.playable:
        raise InvalidRequest(f"--encoding applies only to wav and pcm, not to {chosen}")
    return target


def _format_of(output: str | None) -> Format:
    """Return the format of a file name, WAV if it has no suffix."""
    suffix = Path(output or "").suffix.lower()
    if suffix and suffix not in _SUFFIXES:
        raise InvalidRequest(
            f"{output}: no format is known for {suffix}. Use one of {', '.join(_SUFFIXES)},"
            " or say which format it has with --format"
        )
    return _SUFFIXES.get(suffix, "wav")


def _check_suffix(output: str | None, chosen: Format) -> None:
    named = _SUFFIXES.get(Path(output or "").suffix.lower(), chosen)
    if named != chosen:
        raise InvalidRequest(
            f"{output} names a {named} file, but --format is {chosen}: change one of them"
        )
