"""Decodes one utterance's frames as they arrive; the samples do not depend on how they arrived.
Knows no gRPC.
"""

from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass
from time import monotonic, perf_counter

import numpy as np
import torch
from numpy.typing import NDArray

from barkserve.codec.decoder import MAX_FRAMES, Decoded, DecodeJob
from barkserve.engine.batcher import Batcher
from barkserve.engine.playback import Playback

_WARM_FRAMES = (1, 30)


@dataclass
class CodecRun:
    """What became of an utterance; filled while it runs."""

    made: int = 0  # samples of the utterance, produced ones counted
    compute_s: float = 0.0


class CodecGenerator:
    """Turns an utterance's frames into samples.

    Args:
        batcher: runs DecodeJobs.
        first_frames: fewest frames to begin with, see EncodecDecoder.
        sample_rate: Hz.
    """

    def __init__(
        self, batcher: Batcher[DecodeJob, Decoded], first_frames: int, sample_rate: int
    ) -> None:
        self._batcher = batcher
        self._first_frames = first_frames
        self._sample_rate = sample_rate

    async def generate(
        self, frames: AsyncIterator[NDArray[np.int64]], produced: int, run: CodecRun
    ) -> AsyncGenerator[NDArray[np.float32], None]:
        """Yields (n,) float32 samples, in order, without the first `produced`. Fills `run`.

        Args:
            frames: pieces of (n, codebooks) int64.
            produced: samples of this utterance that exist already.
            run: gets the counts.
        """
        state: torch.Tensor | None = None
        skip = run.made = produced
        playback = Playback(self._sample_rate)
        async for codes in self._pieces(frames):
            started = perf_counter()
            job = DecodeJob(codes, state)
            due = playback.deadline(monotonic())
            decoded = await self._batcher.submit(job.shape_key, job, due)
            state = decoded.state
            run.compute_s += perf_counter() - started
            samples, skip = decoded.samples[skip:], max(0, skip - len(decoded.samples))
            run.made += len(samples)
            playback.publish(len(samples), monotonic())
            if len(samples):
                yield samples

    async def warm_up(self, codebooks: int) -> AsyncGenerator[NDArray[np.float32], None]:
        """A first chunk and a later one, to be thrown away."""

        async def chunks() -> AsyncGenerator[NDArray[np.int64], None]:
            for frames in (self._first_frames, *_WARM_FRAMES):
                yield np.zeros((frames, codebooks), dtype=np.int64)

        async for samples in self.generate(chunks(), 0, CodecRun()):
            yield samples

    async def _pieces(
        self, frames: AsyncIterator[NDArray[np.int64]]
    ) -> AsyncGenerator[NDArray[np.int64], None]:
        """The same frames, cut to at most MAX_FRAMES, the first piece at least first_frames if
        there are so many.
        """
        held: list[NDArray[np.int64]] = []
        begun = False
        async for codes in frames:
            held.append(codes)
            if not begun and sum(map(len, held)) < self._first_frames:
                continue
            begun = True
            for piece in _cut(held):
                yield piece
            held = []
        for piece in _cut(held):
            yield piece


def _cut(held: list[NDArray[np.int64]]) -> list[NDArray[np.int64]]:
    if not held:
        return []
    codes = np.concatenate(held)
    return [codes[start : start + MAX_FRAMES] for start in range(0, len(codes), MAX_FRAMES)]
