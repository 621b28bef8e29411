"""Decodes the frames of one utterance as they arrive.

The samples do not depend on how the frames are split.
"""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass
from time import monotonic, perf_counter

import numpy as np
import torch
from numpy.typing import NDArray

from barkserve.checkpoint.codec import Codec
from barkserve.codec.job import Decoded, DecodeJob, JobPlan
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
        plan: how utterances are cut into jobs; None: as they arrive.
    """

    def __init__(
        self,
        batcher: Batcher[DecodeJob, Decoded],
        codec: Codec,
        plan: JobPlan | None = None,
    ) -> None:
        self._batcher = batcher
        self._codec = codec
        self._plan = plan or JobPlan.as_they_arrive(codec)

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
        skip = run.made = produced
        playback = Playback(self._codec.sample_rate * speaking_rate)
        async with aclosing(self._decoded(frames, playback, run)) as parts:
            async for decoded in parts:
                samples, skip = decoded[skip:], max(0, skip - len(decoded))
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

    async def _decoded(
        self, frames: AsyncIterator[NDArray[np.int64]], playback: Playback, run: CodecRun
    ) -> AsyncGenerator[NDArray[np.float32], None]:
        """Run one job after the other. Yields their new samples."""
        state: torch.Tensor | None = None
        pending: NDArray[np.int64] | None = None  # frames from the start of the current job on
        done = 0  # of them, decoded as part of an incomplete piece
        async for codes in self._chunks(frames):
            pending = codes if pending is None else np.concatenate([pending, codes])
            while done < len(pending):
                job = DecodeJob(pending[: self._plan.frames], state)
                started, deadline = perf_counter(), playback.deadline(monotonic())
                decoded = await self._batcher.submit(self._plan.batch_key(job), job, deadline)
                run.compute_s += perf_counter() - started
                yield decoded.samples[done * self._codec.hop_length :]
                done = len(job.codes)
                if self._plan.completes(job):
                    state, pending, done = decoded.state, pending[done:], 0

    async def _chunks(
        self, frames: AsyncIterator[NDArray[np.int64]]
    ) -> AsyncGenerator[NDArray[np.int64], None]:
        """Join frames for the first job, which must not be too short."""
        held: list[NDArray[np.int64]] = []
        started = False
        async for codes in frames:
            held.append(codes)
            started = started or sum(map(len, held)) >= self._plan.first_frames
            if started:
                yield np.concatenate(held)
                held = []
        if held:
            yield np.concatenate(held)
