"""Resolves a request's AudioFormat: checks each field and fills in the defaults."""

import math
from dataclasses import dataclass

from barkserve.errors import InvalidArgument
from barkserve.orchestrator.audio.encodings import ENCODINGS
from barkserve.v1 import speech_pb2

MIN_SAMPLE_RATE, MAX_SAMPLE_RATE = 8_000, 48_000
MIN_CHUNK_MS, MAX_CHUNK_MS = 20, 5_000
MAX_FIRST_CHUNK_MS = 1_000
MAX_GAIN_DB = 40


@dataclass(frozen=True)
class OutputFormat:
    """The format and the chunk sizes of one audio stream.

    Attributes:
        encoding: a key of ENCODINGS.
        sample_rate: in Hz.
        first_chunk_s: seconds of audio in the first chunk; 0: all that is available.
        chunk_s: seconds of audio in later chunks; None: all that is available.
        gain: factor applied to every sample.
        limit_peaks: whether a limiter keeps peaks below full scale.
    """

    encoding: speech_pb2.AudioEncoding
    sample_rate: int
    first_chunk_s: float = 0.0
    chunk_s: float | None = None
    gain: float = 1.0
    limit_peaks: bool = False


def resolve_format(requested: speech_pb2.AudioFormat, source_rate: int) -> OutputFormat:
    """Check a request's format and fill in the defaults.

    Args:
        requested: the request's `audio_format`.
        source_rate: the codec's sample rate in Hz, which is the default.

    Raises:
        InvalidArgument: a field has an unknown value or is out of range. The error names it.
    """
    encoding = requested.encoding or speech_pb2.AUDIO_ENCODING_PCM16
    if encoding not in ENCODINGS:
        raise InvalidArgument(
            "audio_format.encoding",
            f"must be an encoding that GetServerInfo lists, found {encoding}",
        )
    first_chunk_ms = _in_range("first_chunk_ms", requested.first_chunk_ms, 0, MAX_FIRST_CHUNK_MS)
    chunk_s = None
    if requested.HasField("chunk_ms"):
        chunk_s = _in_range("chunk_ms", requested.chunk_ms, MIN_CHUNK_MS, MAX_CHUNK_MS) / 1000
    return OutputFormat(
        encoding=encoding,
        sample_rate=_sample_rate(requested.sample_rate_hertz or source_rate, encoding),
        first_chunk_s=first_chunk_ms / 1000,
        chunk_s=chunk_s,
        gain=10 ** (_in_range("gain_db", requested.gain_db, -MAX_GAIN_DB, MAX_GAIN_DB) / 20),
        limit_peaks=requested.limit_peaks,
    )


def _sample_rate(sample_rate: int, value: speech_pb2.AudioEncoding) -> int:
    _in_range("sample_rate_hertz", sample_rate, MIN_SAMPLE_RATE, MAX_SAMPLE_RATE)
    encoding = ENCODINGS[value]
    if encoding.sample_rates is not None and sample_rate not in encoding.sample_rates:
        raise InvalidArgument(
            "audio_format.sample_rate_hertz",
            f"must be one of {', '.join(map(str, encoding.sample_rates))} for "
            f"{encoding.proto_name}, found {sample_rate}",
        )
    return sample_rate


def _in_range(field: str, value: float, lowest: int, highest: int) -> float:
    if not math.isfinite(value) or not lowest <= value <= highest:
        raise InvalidArgument(
            f"audio_format.{field}", f"must be {lowest} to {highest}, found {value:g}"
        )
    return value
