"""AudioWriter: the same stream for any split, every sample counted once, gain and sample rate."""

import numpy as np
import pytest
import soxr
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from barkserve.orchestrator.audio.encodings import ENCODINGS
from barkserve.orchestrator.audio.output_format import OutputFormat
from barkserve.orchestrator.audio.writer import AudioWriter, EncodedAudio
from barkserve.v1 import speech_pb2
from tests.orchestrator.audio.signals import voice

FLOAT32 = speech_pb2.AUDIO_ENCODING_FLOAT32
SAMPLES = voice(24_000, seconds=0.7, peak=0.9)


def write(output: OutputFormat, parts: list[NDArray[np.float32]]) -> list[EncodedAudio]:
    """Write a list of parts with a clock that stands still, so that no chunk is due."""
    writer = AudioWriter(output, 24_000, clock=lambda: 0.0)
    encoded = [each for part in parts for each in writer.push(part)]
    return encoded + writer.flush()


def joined(encoded: list[EncodedAudio]) -> bytes:
    """The bytes of the stream."""
    return b"".join(each.audio for each in encoded)


@st.composite
def splits(draw: st.DrawFn) -> list[NDArray[np.float32]]:
    """SAMPLES in up to 12 parts, some of them empty."""
    ends = draw(st.lists(st.integers(0, len(SAMPLES)), max_size=11))
    return np.split(SAMPLES, sorted(ends))


@settings(max_examples=60, deadline=None)
@given(
    parts=splits(),
    encoding=st.sampled_from(sorted(ENCODINGS)),
    rate=st.sampled_from([8_000, 16_000, 24_000, 48_000]),
    limit_peaks=st.booleans(),
    chunk_s=st.sampled_from([None, 0.02, 0.1]),
    first_chunk_s=st.sampled_from([0.0, 0.03]),
)
def test_writer_output_is_the_same_for_any_split(
    parts: list[NDArray[np.float32]],
    encoding: speech_pb2.AudioEncoding,
    rate: int,
    limit_peaks: bool,
    chunk_s: float | None,
    first_chunk_s: float,
) -> None:
    whole = write(OutputFormat(encoding, rate, gain=2.0, limit_peaks=limit_peaks), [SAMPLES])
    output = OutputFormat(encoding, rate, first_chunk_s, chunk_s, 2.0, limit_peaks)
    encoded = write(output, parts)
    assert joined(encoded) == joined(whole)
    sent = 0
    for each in encoded:
        assert each.first_sample == sent
        sent += each.sample_count
    assert sent == len(SAMPLES) * rate // 24_000


@pytest.mark.parametrize("rate", [8_000, 11_025, 16_000, 22_050, 32_000, 44_100, 48_000])
def test_resampling_a_stream_equals_resampling_the_whole(rate: int) -> None:
    parts = np.split(SAMPLES, range(0, len(SAMPLES), 320))
    streamed = np.frombuffer(joined(write(OutputFormat(FLOAT32, rate), parts)), dtype="<f4")
    assert np.array_equal(streamed, soxr.resample(SAMPLES, 24_000, rate))


def test_resampling_drops_tones_above_half_the_rate() -> None:
    times = np.arange(24_000) / 24_000
    low, high = (np.sin(2 * np.pi * tone * times).astype(np.float32) for tone in (1_000, 6_000))
    kept, dropped = (
        np.frombuffer(joined(write(OutputFormat(FLOAT32, 8_000), [each])), dtype="<f4")[800:-800]
        for each in (0.5 * low, 0.5 * high)
    )
    expected = 0.5 * np.sin(2 * np.pi * 1_000 * np.arange(8_000) / 8_000)[800:-800]
    assert np.abs(kept - expected).max() < 1e-3
    assert np.abs(dropped).max() < 1e-3


def test_gain_clips_integers_but_not_floats() -> None:
    gain = 10 ** (6 / 20)
    floats = np.frombuffer(
        joined(write(OutputFormat(FLOAT32, 24_000, gain=gain), [SAMPLES])), dtype="<f4"
    )
    assert np.allclose(floats, SAMPLES * gain)
    assert np.abs(floats).max() > 1.5
    pcm = OutputFormat(speech_pb2.AUDIO_ENCODING_PCM16, 24_000, gain=gain)
    integers = np.frombuffer(joined(write(pcm, [SAMPLES])), dtype="<i2")
    assert np.abs(integers - np.clip(np.rint(floats * 32767), -32768, 32767)).max() <= 1


@pytest.mark.parametrize("rate", [8_000, 24_000, 48_000])
def test_limited_peaks_stay_below_full_scale_at_any_rate(rate: int) -> None:
    output = OutputFormat(FLOAT32, rate, gain=10.0, limit_peaks=True)
    floats = np.frombuffer(joined(write(output, [SAMPLES])), dtype="<f4")
    assert 0.95 < np.abs(floats).max() < 1.0


def test_output_sample_converts_between_rates() -> None:
    writer = AudioWriter(OutputFormat(FLOAT32, 8_000), 24_000)
    assert [writer.output_sample(sample) for sample in (0, 3, 24_000)] == [0, 1, 8_000]


def test_writer_counts_no_samples_for_empty_input() -> None:
    for encoding in ENCODINGS:
        encoded = write(OutputFormat(encoding, 8_000), [np.zeros(0, dtype=np.float32)])
        assert sum(each.sample_count for each in encoded) == 0
