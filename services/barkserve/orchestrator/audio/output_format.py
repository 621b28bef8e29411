"""What a request's AudioFormat amounts to once it is checked. Knows messages; touches no audio."""

import math
from dataclasses import dataclass

from barkserve.errors import InvalidArgument
from barkserve.v1 import speech_pb2

ENCODINGS = (
    speech_pb2.AUDIO_ENCODING_PCM16,
    speech_pb2.AUDIO_ENCODING_FLOAT32,
    speech_pb2.AUDIO_ENCODING_MULAW,
    speech_pb2.AUDIO_ENCODING_ALAW,
    speech_pb2.AUDIO_ENCODING_WAV,
    speech_pb2.AUDIO_ENCODING_FLAC,
    speech_pb2.AUDIO_ENCODING_OGG_OPUS,
    speech_pb2.AUDIO_ENCODING_MP3,
)
MIN_SAMPLE_RATE, MAX_SAMPLE_RATE = 8_000, 48_000
MIN_CHUNK_MS, MAX_CHUNK_MS = 20, 5_000
MAX_FIRST_CHUNK_MS = 1_000
MAX_GAIN_DB = 40

_RATES = {
    speech_pb2.AUDIO_ENCODING_OGG_OPUS: (8_000, 12_000, 16_000, 24_000, 48_000),
    speech_pb2.AUDIO_ENCODING_MP3: (
        (8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000)
    ),
}
"""The rates of encodings that do not take all."""


@dataclass(frozen=True)
class OutputFormat:
    """How the audio of one stream is made and cut.

    Attributes:
        encoding: one of ENCODINGS.
        sample_rate: samples a second.
        first_chunk_s: seconds of audio in the first chunk; 0 for whatever there is.
        chunk_s: seconds of audio in later chunks; None for whatever there is.
        gain: factor on every sample.
        limit_peaks: whether a limiter holds peaks below full scale.
    """

    encoding: speech_pb2.AudioEncoding
    sample_rate: int
    first_chunk_s: float = 0.0
    chunk_s: float | None = None
    gain: float = 1.0
    limit_peaks: bool = False


def resolve_format(asked: speech_pb2.AudioFormat, source_rate: int) -> OutputFormat:
    """Check a request's format and decide what it leaves open.

    Args:
        asked: the request's `audio_format`.
        source_rate: samples a second of what will be encoded.

    Raises:
        InvalidArgument: naming the field, for a value that does not exist or is out of range.
    """
    encoding = asked.encoding or speech_pb2.AUDIO_ENCODING_PCM16
    if encoding not in ENCODINGS:
        raise InvalidArgument("audio_format.encoding", "must be one of AudioEncoding's values")
    return OutputFormat(
        encoding=encoding,
        sample_rate=_sample_rate(asked.sample_rate_hertz or source_rate, encoding),
        first_chunk_s=_within("first_chunk_ms", asked.first_chunk_ms, 0, MAX_FIRST_CHUNK_MS) / 1000,
        chunk_s=(
            _within("chunk_ms", asked.chunk_ms, MIN_CHUNK_MS, MAX_CHUNK_MS) / 1000
            if asked.HasField("chunk_ms")
            else None
        ),
        gain=10 ** (_within("gain_db", asked.gain_db, -MAX_GAIN_DB, MAX_GAIN_DB) / 20),
        limit_peaks=asked.limit_peaks,
    )


def _sample_rate(rate: int, encoding: speech_pb2.AudioEncoding) -> int:
    _within("sample_rate_hertz", rate, MIN_SAMPLE_RATE, MAX_SAMPLE_RATE)
    rates = _RATES.get(encoding, (rate,))
    if rate not in rates:
        raise InvalidArgument(
            "audio_format.sample_rate_hertz",
            f"must be one of {', '.join(map(str, rates))} for "
            f"{speech_pb2.AudioEncoding.Name(encoding)}, found {rate}",
        )
    return rate


def _within(field: str, value: float, lowest: int, highest: int) -> float:
    if not math.isfinite(value) or not lowest <= value <= highest:
        raise InvalidArgument(
            f"audio_format.{field}", f"must be {lowest} to {highest}, found {value:g}"
        )
    return value
