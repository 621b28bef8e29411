"""Decodes the frames of one utterance as they arrive.

The samples do not depend on how the frames are split.
"""

from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass
from time import monotonic, perf_counter

import numpy as np
import torch
from numpy.typing import NDArray

from barkserve.checkpoint.codec import Codec
from barkserve.codec.job import Decoded, DecodeJob, batch_key, max_job_frames
from barkserve.engine.batcher import Batcher
from barkserve.engine.playback import Playback

_WARM_UP_CHUNKS = (1, 30)  # frames


@dataclass
class CodecRun:
    """Counts of one utterance, updated while it runs.

    Attributes:
        made: samples of the utterance, produced ones included.
        compute_s: time in the batcher.
    """

    made: int = 0
    compute_s: float = 0.0


class CodecGenerator:
    """Turns the frames of an utterance into samples.

    Args:
        batcher: runs DecodeJobs.
        codec: the codec's rates and limits.
    """

    def __init__(self, batcher: Batcher[DecodeJob, Decoded], codec: Codec) -> None:
        self._batcher = batcher
        self._codec = codec
        self._max_frames = max_job_frames(codec)

    async def generate(
        self,
        frames: AsyncIterator[NDArray[np.int64]],
        produced: int,
        run: CodecRun,
        speaking_rate: float = 1.0,
    ) -> AsyncGenerator[NDArray[np.float32], None]:
        """Decode an utterance.

        Args:
            frames: chunks of (n, codebooks) int64.
            produced: number of samples of this utterance that exist already. They are skipped.
            run: receives the counts.
            speaking_rate: how fast the speech is played.

        Yields:
            (n,) float32 samples, in order.
        """
        state: torch.Tensor | None = None
        skip = run.made = produced
        playback = Playback(self._codec.sample_rate * speaking_rate)
        async for codes in self._chunks(frames):
            started = perf_counter()
            job = DecodeJob(codes, state)
            deadline = playback.deadline(monotonic())
            decoded = await self._batcher.submit(batch_key(job, self._max_frames), job, deadline)
            state = decoded.state
            run.compute_s += perf_counter() - started
            samples, skip = decoded.samples[skip:], max(0, skip - len(decoded.samples))
            run.made += len(samples)
            playback.publish(len(samples), monotonic())
            if len(samples):
                yield samples

    async def warm_up(self, codebooks: int) -> AsyncGenerator[NDArray[np.float32], None]:
        """Decode a first chunk and later ones. The output is meaningless."""

        async def chunks() -> AsyncGenerator[NDArray[np.int64], None]:
            for frames in (self._codec.first_frames, *_WARM_UP_CHUNKS):
                yield np.zeros((frames, codebooks), dtype=np.int64)

        async for samples in self.generate(chunks(), 0, CodecRun()):
            yield samples

    async def _chunks(
        self, frames: AsyncIterator[NDArray[np.int64]]
    ) -> AsyncGenerator[NDArray[np.int64], None]:
        """Split the frames into chunks of one job each. Joins frames for the first chunk."""
        held: list[NDArray[np.int64]] = []
        started = False
        async for codes in frames:
            held.append(codes)
            if not started and sum(map(len, held)) < self._codec.first_frames:
                continue
            started = True
            for chunk in self._split(held):
                yield chunk
            held = []
        for chunk in self._split(held):
            yield chunk

    def _split(self, held: list[NDArray[np.int64]]) -> list[NDArray[np.int64]]:
        if not held:
            return []
        codes, size = np.concatenate(held), self._max_frames
        return [codes[start : start + size] for start in range(0, len(codes), size)]
