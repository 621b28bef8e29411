"""Requested audio formats: rejected fields, defaults, and resolved formats."""

import pytest

from barkserve.errors import InvalidArgument
from barkserve.orchestrator.audio.output_format import OutputFormat, resolve_format
from barkserve.v1 import speech_pb2
from barkserve.v1.speech_pb2 import AudioFormat


@pytest.mark.parametrize(
    ("requested", "field"),
    [
        (AudioFormat(encoding=99), "encoding"),
        (AudioFormat(sample_rate_hertz=7_999), "sample_rate_hertz"),
        (AudioFormat(sample_rate_hertz=48_001), "sample_rate_hertz"),
        (AudioFormat(sample_rate_hertz=-1), "sample_rate_hertz"),
        (
            AudioFormat(encoding=speech_pb2.AUDIO_ENCODING_OGG_OPUS, sample_rate_hertz=22_050),
            "sample_rate_hertz",
        ),
        (
            AudioFormat(encoding=speech_pb2.AUDIO_ENCODING_MP3, sample_rate_hertz=12_345),
            "sample_rate_hertz",
        ),
        (AudioFormat(first_chunk_ms=-1), "first_chunk_ms"),
        (AudioFormat(first_chunk_ms=1_001), "first_chunk_ms"),
        (AudioFormat(chunk_ms=0), "chunk_ms"),
        (AudioFormat(chunk_ms=19), "chunk_ms"),
        (AudioFormat(chunk_ms=5_001), "chunk_ms"),
        (AudioFormat(gain_db=40.5), "gain_db"),
        (AudioFormat(gain_db=float("nan")), "gain_db"),
        (AudioFormat(gain_db=float("-inf")), "gain_db"),
    ],
)
def test_resolve_format_rejects_invalid_fields(requested: AudioFormat, field: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        resolve_format(requested, 24_000)
    assert caught.value.field == f"audio_format.{field}"


def test_resolve_format_fills_in_defaults() -> None:
    assert resolve_format(AudioFormat(), 24_000) == OutputFormat(
        speech_pb2.AUDIO_ENCODING_PCM16, 24_000
    )


def test_resolve_format_keeps_requested_values() -> None:
    requested = AudioFormat(
        encoding=speech_pb2.AUDIO_ENCODING_OGG_OPUS,
        sample_rate_hertz=48_000,
        first_chunk_ms=0,
        chunk_ms=200,
        gain_db=-20,
        limit_peaks=True,
    )
    opus = speech_pb2.AUDIO_ENCODING_OGG_OPUS
    assert resolve_format(requested, 24_000) == OutputFormat(opus, 48_000, 0.0, 0.2, 0.1, True)
