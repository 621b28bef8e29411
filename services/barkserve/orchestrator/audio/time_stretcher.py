"""Changes the speed of speech and keeps its pitch, with FFmpeg's filter `atempo` (WSOLA).

The filter overlaps short parts of the waveform where they are most similar. It suits one voice, and
the time of each sound stays correct within some milliseconds.
"""

import asyncio
from collections.abc import Iterator
from fractions import Fraction
from importlib import import_module
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from av.filter import Graph

Samples = NDArray[np.float32]

BLOCK_S = 0.02
"""The filter's output depends a little on the sizes of its inputs: they are all of this length."""
SHORTEST_S = 0.05
"""Shorter segments keep their speed: the filter needs a window of 43 ms."""

_NO_SAMPLES = np.zeros(0, dtype=np.float32)


class TimeStretcher:
    """Stretches one segment after another.

    A segment starts and ends like its input, so that segments join without a seam. Its length
    differs from the exact one by less than 50 ms. The output does not depend on how the input is
    split. Up to 100 ms of the input is held back until the segment ends.

    Args:
        sample_rate: in Hz.
        speaking_rate: 2 is twice as fast; 1 returns all samples unchanged.

    Attributes:
        speaking_rate: that of the current segment. Set it between two segments only.
    """

    def __init__(self, sample_rate: int, speaking_rate: float) -> None:
        self.speaking_rate = speaking_rate
        self._sample_rate = sample_rate
        self._block_size = round(sample_rate * BLOCK_S)
        self._shortest = round(sample_rate * SHORTEST_S)
        self._held: Samples = _NO_SAMPLES
        self._filter: _Filter | None = None  # None until there is enough input

    @classmethod
    async def create(cls, sample_rate: int, speaking_rate: float) -> Self:
        """Make one that is prepared for its rate."""
        await cls.prepare(speaking_rate)
        return cls(sample_rate, speaking_rate)

    @staticmethod
    async def prepare(speaking_rate: float) -> None:
        """Load FFmpeg's libraries in a thread if they are needed: the first time takes 60 ms."""
        if speaking_rate != 1.0:
            await asyncio.to_thread(import_module, "av")

    def push(self, samples: Samples) -> Samples:
        """Add (n,) samples of the segment; return (m,) samples to send now."""
        if self.speaking_rate == 1.0:
            return samples
        self._held = np.concatenate((self._held, samples))
        if self._filter is None:
            if len(self._held) < self._shortest:
                return _NO_SAMPLES
            self._filter = _Filter(self._sample_rate, self.speaking_rate)
        end = len(self._held) - len(self._held) % self._block_size
        blocks, self._held = self._held[:end].reshape(-1, self._block_size), self._held[end:]
        return np.concatenate((_NO_SAMPLES, *map(self._filter.push, blocks)))

    def flush(self) -> Samples:
        """End the segment; return its last (m,) samples. The next one can follow."""
        held, self._held = self._held, _NO_SAMPLES
        if self._filter is None:
            return held
        stretched = np.concatenate((self._filter.push(held), self._filter.flush()))
        self._filter = None
        return stretched


class _Filter:
    """FFmpeg's filter graph for one segment."""

    def __init__(self, sample_rate: int, speaking_rate: float) -> None:
        import av  # here, so that the orchestrator starts without FFmpeg's libraries

        self._make_frame = av.AudioFrame.from_ndarray
        self._sample_rate = sample_rate
        self._time_base = Fraction(1, sample_rate)
        self._position = 0  # samples
        self._graph: Graph = av.filter.Graph()
        self._graph.threads = 1  # by default, each graph has threads of its own
        self._graph.link_nodes(
            self._graph.add_abuffer(
                sample_rate=sample_rate, format="flt", layout="mono", time_base=self._time_base
            ),
            self._graph.add("atempo", repr(speaking_rate)),
            self._graph.add("abuffersink"),
        ).configure()

    def push(self, samples: Samples) -> Samples:
        if not len(samples):
            return _NO_SAMPLES
        frame = self._make_frame(samples[np.newaxis], format="flt", layout="mono")
        frame.sample_rate, frame.time_base = self._sample_rate, self._time_base
        frame.pts = self._position
        self._position += len(samples)
        self._graph.push(frame)
        return self._pulled()

    def flush(self) -> Samples:
        self._graph.push(None)
        return self._pulled()

    def _pulled(self) -> Samples:
        return np.concatenate((_NO_SAMPLES, *self._frames()))

    def _frames(self) -> Iterator[Samples]:
        while True:
            try:
                yield self._graph.pull().to_ndarray()[0]
            except (BlockingIOError, EOFError):  # it needs more input, or has ended
                return
