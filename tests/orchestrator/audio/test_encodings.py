"""The encodings: their table, and what FFmpeg decodes from each of them."""

from typing import get_args

import numpy as np
import pytest
from numpy.typing import NDArray

from barkclient import options as client_options
from barkclient import responses as client_responses
from barkserve.errors import InvalidArgument
from barkserve.external import riva_pb2, riva_tts_pb2
from barkserve.orchestrator.audio.encodings import ENCODINGS, Encoding
from barkserve.orchestrator.audio.output_format import OutputFormat, resolve_format
from barkserve.orchestrator.audio.writer import AudioWriter
from barkserve.orchestrator.riva.options import to_synthesize_request
from barkserve.orchestrator.server_info import server_info
from barkserve.v1 import speech_pb2
from tests.orchestrator.audio.ffmpeg import decode
from tests.orchestrator.audio.signals import voice

MP3_DELAY = 1105  # samples that every MP3 decoder puts before the first
RAW = {
    speech_pb2.AUDIO_ENCODING_PCM16: "s16le",
    speech_pb2.AUDIO_ENCODING_FLOAT32: "f32le",
    speech_pb2.AUDIO_ENCODING_MULAW: "mulaw",
    speech_pb2.AUDIO_ENCODING_ALAW: "alaw",
}
LOSSLESS = (
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
    """Encode samples at 24 kHz in parts of 80 ms."""
    writer = AudioWriter(OutputFormat(encoding, rate), 24_000)
    parts = [
        part
        for start in range(0, len(samples), 1920)
        for part in writer.push(samples[start : start + 1920])
    ]
    return b"".join(part.audio for part in parts + writer.flush())


@pytest.mark.parametrize(("encoding", "rate"), CASES)
def test_ffmpeg_decodes_every_encoding(encoding: int, rate: int) -> None:
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
    elif encoding in LOSSLESS:
        assert np.abs(error).max() < 1 / 32768
    else:
        assert snr_db(plain, error) > 18


def snr_db(signal: NDArray[np.float32], error: NDArray[np.float64]) -> float:
    """Signal-to-noise ratio in dB."""
    return float(10 * np.log10(np.mean(signal.astype(np.float64) ** 2) / np.mean(error**2)))


@pytest.mark.parametrize("rate", [8_000, 12_000, 16_000, 24_000, 48_000])
def test_opus_ends_with_the_last_sample(rate: int) -> None:
    """The last sample may be anywhere in a packet of 20 ms."""
    for extra in range(0, 24, 5):
        samples = voice(24_000)[: 28_000 + extra * 24]  # where it is loud
        plain = np.frombuffer(encode(samples, speech_pb2.AUDIO_ENCODING_FLOAT32, rate), "<f4")
        decoded, _ = decode(encode(samples, speech_pb2.AUDIO_ENCODING_OGG_OPUS, rate))
        decoded = decoded[:: 48_000 // rate]
        assert len(decoded) == len(plain)
        last = slice(-rate // 100, None)
        assert snr_db(plain[last], decoded[last] - plain[last]) > 16


def test_lossless_encodings_equal_pcm16() -> None:
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
def test_codecs_hold_back_little_audio(encoding: int, latest_ms: int) -> None:
    """Each push of enough audio returns frames, not just a header."""
    writer = AudioWriter(OutputFormat(encoding, 24_000), 24_000)
    samples = voice(24_000)
    sizes = [0]
    for start in range(0, len(samples), 480):
        sizes.append(sum(len(p.audio) for p in writer.push(samples[start : start + 480])))
    total = np.cumsum(sizes)
    step = latest_ms // 20
    assert all(later > earlier for earlier, later in zip(total, total[step:], strict=False))


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_shortest_stream_is_complete(encoding: int) -> None:
    data = encode(voice(24_000, seconds=0.001), encoding, 24_000)
    raw = {"ar": "24000"} if encoding in RAW else {}
    decoded, _ = decode(data, RAW.get(encoding), **raw)
    assert len(decoded) >= 24


def test_table_covers_the_protos() -> None:
    values = set(speech_pb2.AudioEncoding.values()) - {speech_pb2.AUDIO_ENCODING_UNSPECIFIED}
    assert set(ENCODINGS) == values
    for value, encoding in ENCODINGS.items():
        assert encoding.value == value
        assert encoding.proto_name == speech_pb2.AudioEncoding.Name(value)
        assert encoding.sample_rates is None or encoding.sample_rates
    riva = [each.riva for each in ENCODINGS.values() if each.riva is not None]
    assert sorted(riva) == sorted(set(riva_pb2.AudioEncoding.values()) - {0})


def test_table_has_distinct_names_and_extensions() -> None:
    extensions = [end for each in ENCODINGS.values() for end in each.extensions]
    assert len(set(extensions)) == len(extensions)
    assert all(end.startswith(".") for end in extensions)
    assert len({each.name for each in ENCODINGS.values()}) == len(ENCODINGS)


def test_table_agrees_with_the_client() -> None:
    names = {each.name: value for value, each in ENCODINGS.items()}
    assert {name: value for value, name in client_responses.ENCODINGS.items()} == names
    assert set(get_args(client_options.Encoding)) == set(names)
    plain = {each.name for each in ENCODINGS.values() if each.plain_samples}
    assert set(client_options.SAMPLE_BYTES) == plain


def test_streams_of_plain_samples_can_be_joined() -> None:
    samples = voice(24_000)
    first, second = samples[:20_000], samples[20_000:]
    for value, encoding in ENCODINGS.items():
        joined = encode(first, value, 24_000) + encode(second, value, 24_000)
        assert encoding.plain_samples is (joined == encode(samples, value, 24_000))
        assert encoding.plain_samples is (value in RAW)


class Int8Encoder:
    """An encoding that exists in this test only: 8-bit integers and an end mark."""

    trail_s = 0.0

    def __init__(self, sample_rate: int) -> None:
        self.sample_rate = sample_rate

    def push(self, samples: NDArray[np.float32]) -> bytes:
        return np.rint(samples * 127).astype("i1").tobytes()

    def flush(self) -> bytes:
        return b"end"


def test_new_encoding_needs_only_a_table_entry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Requests, the writer, GetServerInfo and Riva support it without an edit elsewhere."""
    new = Encoding("int8", 99, "audio/x-int8", (".i8",), Int8Encoder, (24_000,), True, riva=98)
    requested = speech_pb2.AudioFormat(encoding=99)
    riva = riva_tts_pb2.SynthesizeSpeechRequest(text="hello", encoding=98)
    with pytest.raises(InvalidArgument, match=r"encoding: .* found 99"):
        resolve_format(requested, 24_000)
    with pytest.raises(InvalidArgument, match=r"encoding: .* found 98"):
        to_synthesize_request(riva, "none")

    monkeypatch.setitem(ENCODINGS, new.value, new)
    writer = AudioWriter(resolve_format(requested, 24_000), 24_000)
    samples = voice(24_000)
    audio = b"".join(part.audio for part in writer.push(samples) + writer.flush())
    assert audio == np.rint(samples * 127).astype("i1").tobytes() + b"end"
    with pytest.raises(InvalidArgument, match=r"must be one of 24000 for AUDIO_ENCODING_INT8"):
        resolve_format(speech_pb2.AudioFormat(encoding=99, sample_rate_hertz=8_000), 24_000)
    info = server_info(
        model="m",
        model_revision="r",
        sample_rate=24_000,
        default_voice="none",
        languages=[],
        limits=speech_pb2.ServerLimits(),
    )
    assert list(info.encodings) == list(ENCODINGS)
    assert to_synthesize_request(riva, "none").audio_format.encoding == 99
