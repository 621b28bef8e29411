"""What FFmpeg makes of every encoding at every kind of rate, beside the samples that went in."""

import numpy as np
import pytest
from numpy.typing import NDArray

from barkserve.orchestrator.audio.output_format import ENCODINGS, OutputFormat
from barkserve.orchestrator.audio.writer import AudioWriter
from barkserve.v1 import speech_pb2
from tests.orchestrator.audio.ffmpeg import decode
from tests.orchestrator.audio.signals import voice

MP3_DELAY = 1105  # samples that every MP3 decoder puts first
RAW = {
    speech_pb2.AUDIO_ENCODING_PCM16: "s16le",
    speech_pb2.AUDIO_ENCODING_FLOAT32: "f32le",
    speech_pb2.AUDIO_ENCODING_MULAW: "mulaw",
    speech_pb2.AUDIO_ENCODING_ALAW: "alaw",
}
EXACT = (
    speech_pb2.AUDIO_ENCODING_PCM16,
    speech_pb2.AUDIO_ENCODING_WAV,
    speech_pb2.AUDIO_ENCODING_FLAC,
)
RATES = {
    speech_pb2.AUDIO_ENCODING_OGG_OPUS: (8_000, 12_000, 16_000, 24_000, 48_000),
    speech_pb2.AUDIO_ENCODING_MP3: (8_000, 11_025, 16_000, 22_050, 24_000, 44_100, 48_000),
}
CASES = [
    (encoding, rate)
    for encoding in ENCODINGS
    for rate in RATES.get(encoding, (8_000, 11_025, 13_377, 24_000, 44_100, 48_000))
]


def encode(samples: NDArray[np.float32], encoding: int, rate: int) -> bytes:
    """Samples at 24 kHz, as a stream of pieces of 80 ms."""
    writer = AudioWriter(OutputFormat(encoding, rate), 24_000)
    segments = [
        segment
        for start in range(0, len(samples), 1920)
        for segment in writer.push(samples[start : start + 1920])
    ]
    return b"".join(segment.audio for segment in segments + writer.flush())


@pytest.mark.parametrize(("encoding", "rate"), CASES)
def test_ffmpeg_decodes_it_to_the_plain_samples(encoding: int, rate: int) -> None:
    samples = voice(24_000)
    plain = np.frombuffer(encode(samples, speech_pb2.AUDIO_ENCODING_FLOAT32, rate), dtype="<f4")
    raw = {"ar": str(rate)} if encoding in RAW else {}
    decoded, decoded_rate = decode(encode(samples, encoding, rate), RAW.get(encoding), **raw)
    if encoding == speech_pb2.AUDIO_ENCODING_OGG_OPUS:  # always decoded at 48 kHz
        decoded, decoded_rate = decoded[:: decoded_rate // rate], rate
    if encoding == speech_pb2.AUDIO_ENCODING_MP3:
        assert MP3_DELAY <= len(decoded) - len(plain) < MP3_DELAY + 2 * 1152
        decoded = decoded[MP3_DELAY : MP3_DELAY + len(plain)]
    assert decoded_rate == rate
    assert len(decoded) == len(plain)
    assert abs(len(plain) - len(samples) * rate / 24_000) <= 0.5
    error = decoded - plain
    if encoding == speech_pb2.AUDIO_ENCODING_FLOAT32:
        assert not error.any()
    elif encoding in EXACT:
        assert np.abs(error).max() < 1 / 32768
    else:
        assert ratio_db(plain, error) > 18


def ratio_db(signal: NDArray[np.float32], error: NDArray[np.float64]) -> float:
    """How much louder the signal is than its error."""
    return float(10 * np.log10(np.mean(signal.astype(np.float64) ** 2) / np.mean(error**2)))


@pytest.mark.parametrize("rate", [8_000, 12_000, 16_000, 24_000, 48_000])
def test_opus_ends_with_the_last_sample(rate: int) -> None:
    """Wherever that is in a packet of 20 ms."""
    for extra in range(0, 24, 5):
        samples = voice(24_000)[: 28_000 + extra * 24]  # where it is loud
        plain = np.frombuffer(encode(samples, speech_pb2.AUDIO_ENCODING_FLOAT32, rate), "<f4")
        decoded, _ = decode(encode(samples, speech_pb2.AUDIO_ENCODING_OGG_OPUS, rate))
        decoded = decoded[:: 48_000 // rate]
        assert len(decoded) == len(plain)
        last = slice(-rate // 100, None)
        assert ratio_db(plain[last], decoded[last] - plain[last]) > 16


def test_the_lossless_are_the_pcm16_stream_to_the_bit() -> None:
    samples = voice(24_000, peak=1.3)  # some are clipped
    pcm = encode(samples, speech_pb2.AUDIO_ENCODING_PCM16, 24_000)
    flac = encode(samples, speech_pb2.AUDIO_ENCODING_FLAC, 24_000)
    decoded, _ = decode(flac)
    assert (decoded * 32768).astype("<i2").tobytes() == pcm
    wav = encode(samples, speech_pb2.AUDIO_ENCODING_WAV, 24_000)
    assert wav[44:] == pcm


@pytest.mark.parametrize(
    ("encoding", "latest_ms"),
    [
        (speech_pb2.AUDIO_ENCODING_FLAC, 60),
        (speech_pb2.AUDIO_ENCODING_OGG_OPUS, 100),
        (speech_pb2.AUDIO_ENCODING_MP3, 100),
    ],
)
def test_a_codec_holds_little_back(encoding: int, latest_ms: int) -> None:
    """Frames leave while the stream runs; a header alone is no frame."""
    writer = AudioWriter(OutputFormat(encoding, 24_000), 24_000)
    samples = voice(24_000)
    sizes = [0]
    for start in range(0, len(samples), 480):
        sizes.append(sum(len(p.audio) for p in writer.push(samples[start : start + 480])))
    total = np.cumsum(sizes)
    step = latest_ms // 20
    assert all(later > earlier for earlier, later in zip(total, total[step:], strict=False))


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_the_shortest_stream_is_whole(encoding: int) -> None:
    data = encode(voice(24_000, seconds=0.001), encoding, 24_000)
    raw = {"ar": "24000"} if encoding in RAW else {}
    decoded, _ = decode(data, RAW.get(encoding), **raw)
    assert len(decoded) >= 24
