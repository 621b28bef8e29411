"""How much audio leaves at a time: a small first chunk, larger ones later, and all there is when a
player would run dry. Knows samples and a clock; knows no encodings.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from barkserve.orchestrator.audio.output_format import MIN_CHUNK_MS, OutputFormat

GROWTH = 2.0
"""How much larger a chunk is than the one before, until it has its full size."""
MARGIN_S = 0.05
"""Seconds before the player runs dry at which audio must be on its way."""


class ChunkSchedule:
    """Cuts one stream into chunks.

    Args:
        output: sample rate and chunk sizes.
        trail_s: seconds of audio that the encoder may hold back.
        clock: seconds, of any origin.
    """

    def __init__(self, output: OutputFormat, trail_s: float, clock: Callable[[], float]) -> None:
        self._rate = output.sample_rate
        self._full = None if output.chunk_s is None else self._samples(output.chunk_s)
        self._target = self._samples(output.first_chunk_s)  # 0: whatever there is
        self._smallest = self._samples(MIN_CHUNK_MS / 1000)
        self._margin_s = MARGIN_S + trail_s
        self._clock = clock
        self._dry_at: float | None = None  # when the player has played all; None before it starts
        self._held: NDArray[np.float32] = np.zeros(0, dtype=np.float32)

    def push(self, samples: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        """(n,) samples in; the chunks that are full, or due, out."""
        self._held = np.concatenate((self._held, samples))
        chunks = []
        while len(self._held) and (len(self._held) >= self._target or self.due_in() == 0.0):
            chunks.append(self._cut())
        return chunks

    def flush(self) -> list[NDArray[np.float32]]:
        """All that is held."""
        chunks = []
        while len(self._held):
            chunks.append(self._cut())
        return chunks

    def due_in(self) -> float | None:
        """Seconds until what is held must leave; None when nothing is held or nobody plays yet."""
        if self._dry_at is None or not len(self._held):
            return None
        return max(0.0, self._dry_at - self._margin_s - self._clock())

    def _cut(self) -> NDArray[np.float32]:
        """Take the next chunk and say what the one after it should hold."""
        size = min(len(self._held), self._target or self._full or len(self._held))
        chunk, self._held = self._held[:size], self._held[size:]
        if self._full is None:
            self._target = 0
        else:
            grown = round(max(self._target, size, self._smallest) * GROWTH)
            self._target = min(self._full, grown)
        now = self._clock()
        starts = now if self._dry_at is None else max(now, self._dry_at)
        self._dry_at = starts + size / self._rate
        return chunk

    def _samples(self, seconds: float) -> int:
        return round(seconds * self._rate)
