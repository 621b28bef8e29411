"""Splits a stream of samples into chunks: a small first chunk, then larger ones.

A chunk is sent early if the player would otherwise underrun.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from barkserve.orchestrator.audio.output_format import MIN_CHUNK_MS, OutputFormat

GROWTH = 2.0
"""Ratio of a chunk's size to the one before, up to the full size."""
MARGIN_S = 0.05
"""Held audio is sent this many seconds before the player would underrun."""


class ChunkSchedule:
    """Splits one stream into chunks.

    Args:
        output: sample rate and chunk sizes.
        trail_s: the most audio that the encoder holds back, in seconds.
        clock: returns a time in seconds, from any origin.
    """

    def __init__(self, output: OutputFormat, trail_s: float, clock: Callable[[], float]) -> None:
        self._rate = output.sample_rate
        self._full_size = None if output.chunk_s is None else self._samples(output.chunk_s)
        self._target = self._samples(output.first_chunk_s)  # 0: all that is available
        self._min_size = self._samples(MIN_CHUNK_MS / 1000)
        self._margin_s = MARGIN_S + trail_s
        self._clock = clock
        self._underrun_at: float | None = None  # None until the player starts
        self._held: NDArray[np.float32] = np.zeros(0, dtype=np.float32)

    def push(self, samples: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        """Add (n,) samples; return the chunks that are full or due."""
        self._held = np.concatenate((self._held, samples))
        chunks = []
        while len(self._held) and (len(self._held) >= self._target or self.due_in() == 0.0):
            chunks.append(self._next_chunk())
        return chunks

    def flush(self) -> list[NDArray[np.float32]]:
        """Return all held samples."""
        chunks = []
        while len(self._held):
            chunks.append(self._next_chunk())
        return chunks

    def due_in(self) -> float | None:
        """Return the seconds until held audio must be sent.

        None if nothing is held or the player has not started.
        """
        if self._underrun_at is None or not len(self._held):
            return None
        return max(0.0, self._underrun_at - self._margin_s - self._clock())

    def _next_chunk(self) -> NDArray[np.float32]:
        """Remove the next chunk and set the size of the one after it."""
        size = min(len(self._held), self._target or self._full_size or len(self._held))
        chunk, self._held = self._held[:size], self._held[size:]
        if self._full_size is None:
            self._target = 0
        else:
            grown = round(max(self._target, size, self._min_size) * GROWTH)
            self._target = min(self._full_size, grown)
        now = self._clock()
        starts = now if self._underrun_at is None else max(now, self._underrun_at)
        self._underrun_at = starts + size / self._rate
        return chunk

    def _samples(self, seconds: float) -> int:
        return round(seconds * self._rate)
