"""ElevenLabs' `output_format`, such as mp3_44100_128: a codec, a sample rate and a bit rate."""

import re
from dataclasses import dataclass

from barkclient.options import Encoding
from barkserve.gateway.errors import HttpFailure

DEFAULT = "mp3_44100_128"

_CODECS: dict[str, tuple[Encoding, str]] = {
    "mp3": ("mp3", "audio/mpeg"),
    "pcm": ("pcm16", "audio/pcm"),
    "ulaw": ("mulaw", "audio/basic"),
    "alaw": ("alaw", "audio/x-alaw-basic"),
    "opus": ("ogg_opus", "audio/ogg"),
    "wav": ("wav", "audio/wav"),
}
_PATTERN = re.compile(r"([a-z0-9]+)_(\d{4,5})(?:_\d{1,3})?")


@dataclass(frozen=True)
class OutputFormat:
    """An audio format.

    Attributes:
        encoding: the encoding to ask the orchestrator for.
        sample_rate: samples per second.
        mime_type: the media type of the body.
    """

    encoding: Encoding
    sample_rate: int
    mime_type: str


def parse_output_format(name: str) -> OutputFormat:
    """Parse a format. The bit rate has no effect: each codec has one quality here.

    Raises:
        HttpFailure: the format is unknown.
    """
    match = _PATTERN.fullmatch(name)
    if match is None or match[1] not in _CODECS:
        codecs = ", ".join(f"{codec}_RATE" for codec in _CODECS)
        message = f"output_format: {name!r} is not one of {codecs}, for example pcm_24000"
        raise HttpFailure(400, "invalid_output_format", message, "output_format")
    encoding, mime_type = _CODECS[match[1]]
    return OutputFormat(encoding, int(match[2]), mime_type)
