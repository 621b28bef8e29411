"""One stream's samples to its encoded audio. Knows no text, no messages and no event loop.

Samples go through, in this order: rate, level (gain, limiter), chunks, encoder. All of it carries
its state, so any cutting of the input gives the same audio.
"""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import soxr
from numpy.typing import NDArray

from barkserve.orchestrator.audio.chunk_schedule import ChunkSchedule
from barkserve.orchestrator.audio.encodings import make_encoder
from barkserve.orchestrator.audio.limiter import Limiter
from barkserve.orchestrator.audio.output_format import OutputFormat

_NOTHING = np.zeros(0, dtype=np.float32)


@dataclass(frozen=True)
class EncodedAudio:
    """A piece of a stream.

    Attributes:
        audio: its bytes.
        first_sample: samples of the output before it.
        sample_count: samples of the output that it stands for: those that went into the encoder
            since the last piece.
    """

    audio: bytes
    first_sample: int
    sample_count: int


class AudioWriter:
    """Encodes one stream. Call `push` until the audio ends, `release` whenever `due_in` has passed,
    and `flush` at the end; put together, the pieces hold every sample once.

    Args:
        output: how.
        source_rate: samples a second of what comes in.
        clock: seconds, of any origin.
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
        self._encoder = make_encoder(output)
        self._schedule = ChunkSchedule(output, self._encoder.trail_s, clock)
        self._sent = 0  # samples of the pieces that have left
        self._encoded = 0  # samples that went into the encoder

    def push(self, samples: NDArray[np.float32]) -> list[EncodedAudio]:
        """(n,) samples at the source's rate, nominally -1 to 1; returns the pieces that shall leave
        now.
        """
        return self._encode(self._schedule.push(self._shape(samples)))

    def release(self) -> list[EncodedAudio]:
        """What is held for a chunk that is not full; to be called when `due_in` has passed."""
        return self._encode(self._schedule.flush())

    def flush(self) -> list[EncodedAudio]:
        """The rest, and the end of the encoding. The last call."""
        chunks = self._schedule.push(self._shape(_NOTHING, last=True)) + self._schedule.flush()
        segments = self._encode(chunks)
        end = self._encoder.flush()
        if end or self._encoded > self._sent:
            segments.append(self._piece(end))
        return segments

    def due_in(self) -> float | None:
        """Seconds until held audio must leave, so that a player that started with the first piece
        does not run dry; None when nothing is held.
        """
        return self._schedule.due_in()

    def output_sample(self, source_sample: int) -> int:
        """Where a sample of the source is in the output."""
        return source_sample * self.output.sample_rate // self._source_rate

    def _shape(self, samples: NDArray[np.float32], last: bool = False) -> NDArray[np.float32]:
        """Rate and level."""
        if self._resampler is not None:
            samples = self._resampler.resample_chunk(samples, last=last)
        if self.output.gain != 1.0:
            samples = samples * np.float32(self.output.gain)
        if self._limiter is None:
            return samples
        limited = self._limiter.push(samples)
        return np.concatenate((limited, self._limiter.flush())) if last else limited

    def _encode(self, chunks: Iterable[NDArray[np.float32]]) -> list[EncodedAudio]:
        """Encode; what the encoder holds back counts for the piece that brings its bytes."""
        segments = []
        for chunk in chunks:
            audio = self._encoder.push(chunk)
            self._encoded += len(chunk)
            if audio:
                segments.append(self._piece(audio))
        return segments

    def _piece(self, audio: bytes) -> EncodedAudio:
        first, self._sent = self._sent, self._encoded
        return EncodedAudio(audio, first, self._encoded - first)


def _resampler(source_rate: int, sample_rate: int) -> soxr.ResampleStream | None:
    if source_rate == sample_rate:
        return None
    return soxr.ResampleStream(source_rate, sample_rate, num_channels=1, dtype="float32")
