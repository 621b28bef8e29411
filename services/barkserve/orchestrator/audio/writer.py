"""Turns one stream's samples into encoded audio.

The steps are: sample rate, gain and limiter, chunks, encoder. Each keeps its state, so the audio
does not depend on how the input is split.
"""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import soxr
from numpy.typing import NDArray

from barkserve.orchestrator.audio.chunk_schedule import ChunkSchedule
from barkserve.orchestrator.audio.encodings import ENCODINGS
from barkserve.orchestrator.audio.limiter import Limiter
from barkserve.orchestrator.audio.output_format import OutputFormat

_NO_SAMPLES = np.zeros(0, dtype=np.float32)


@dataclass(frozen=True)
class EncodedAudio:
    """A part of an encoded stream.

    Attributes:
        audio: the encoded bytes.
        first_sample: the number of output samples before this part.
        sample_count: the output samples that this part counts for: all that were pushed into the
            encoder since the last part.
    """

    audio: bytes
    first_sample: int
    sample_count: int


class AudioWriter:
    """Encodes one stream.

    Call `push` while there is audio, `release` whenever `due_in` has passed, and `flush` at the
    end. The returned parts, joined, contain every sample once.

    Args:
        output: the output format.
        source_rate: sample rate of the input in Hz.
        clock: returns a time in seconds, from any origin.
    """

    def __init__(
        self,
        output: OutputFormat,
        source_rate: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.output = output
        self._source_rate = source_rate
        self._resampler = _resampler(source_rate, output.sample_rate)
        self._limiter = Limiter(output.sample_rate) if output.limit_peaks else None
        self._encoder = ENCODINGS[output.encoding].make_encoder(output.sample_rate)
        self._schedule = ChunkSchedule(output, self._encoder.trail_s, clock)
        self._returned = 0  # samples of the parts that were returned
        self._encoded = 0  # samples that were pushed into the encoder

    def push(self, samples: NDArray[np.float32]) -> list[EncodedAudio]:
        """Add (n,) samples, nominally -1 to 1; return the parts to send now."""
        return self._encode(self._schedule.push(self._resample_and_scale(samples)))

    def release(self) -> list[EncodedAudio]:
        """Return the audio held for a full chunk. Call this when `due_in` has passed."""
        return self._encode(self._schedule.flush())

    def flush(self) -> list[EncodedAudio]:
        """Return the remaining audio and the end of the encoding. The last call."""
        chunks = self._schedule.push(self._resample_and_scale(_NO_SAMPLES, last=True))
        parts = self._encode(chunks + self._schedule.flush())
        end = self._encoder.flush()
        if end or self._encoded > self._returned:
            parts.append(self._part(end))
        return parts

    def due_in(self) -> float | None:
        """Return the seconds until held audio must be sent, or None if nothing is held.

        A player that started with the first part underruns if it is sent later.
        """
        return self._schedule.due_in()

    def output_sample(self, source_sample: int) -> int:
        """Convert a sample index of the input to one of the output."""
        return source_sample * self.output.sample_rate // self._source_rate

    def _resample_and_scale(
        self, samples: NDArray[np.float32], last: bool = False
    ) -> NDArray[np.float32]:
        if self._resampler is not None:
            samples = self._resampler.resample_chunk(samples, last=last)
        if self.output.gain != 1.0:
            samples = samples * np.float32(self.output.gain)
        if self._limiter is None:
            return samples
        limited = self._limiter.push(samples)
        return np.concatenate((limited, self._limiter.flush())) if last else limited

    def _encode(self, chunks: Iterable[NDArray[np.float32]]) -> list[EncodedAudio]:
        """Encode chunks; a chunk without bytes counts for the next part."""
        parts = []
        for chunk in chunks:
            audio = self._encoder.push(chunk)
            self._encoded += len(chunk)
            if audio:
                parts.append(self._part(audio))
        return parts

    def _part(self, audio: bytes) -> EncodedAudio:
        first, self._returned = self._returned, self._encoded
        return EncodedAudio(audio, first, self._encoded - first)


def _resampler(source_rate: int, sample_rate: int) -> soxr.ResampleStream | None:
    if source_rate == sample_rate:
        return None
    return soxr.ResampleStream(source_rate, sample_rate, num_channels=1, dtype="float32")
