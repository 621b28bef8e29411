"""One try at a segment: which samples are sent, and whether the segment must be drawn again."""

import asyncio

import numpy as np

from barkserve.orchestrator.audio.silence import Samples, SilenceTrimmer
from barkserve.orchestrator.synthesis.pipeline import Pipeline
from barkserve.v1 import common_pb2


class Attempt:
    """A running pipeline. Made for one use, inside an event loop.

    Args:
        pipeline: generates the segment.
        trimmer: cuts the segment's silence.
        may_fail: whether the segment can be drawn again.

    Attributes:
        accepted: whether this attempt is sent. Set before its first sample is sent, at the end at
            the latest. False for an attempt that is silent, or that reached its length limit before
            its first sound.
        ended: whether `push` takes no more samples: all were pushed, or the attempt failed.
    """

    def __init__(self, pipeline: Pipeline, trimmer: SilenceTrimmer, *, may_fail: bool) -> None:
        self.pipeline = pipeline
        self.accepted: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self.ended = False
        self._trimmer = trimmer
        self._held: list[Samples] = []
        if not may_fail:
            self.accepted.set_result(True)

    @property
    def finish_reason(self) -> common_pb2.FinishReason:
        """Why the segment ended."""
        if self.ended and not self._trimmer.has_sound:
            return common_pb2.FINISH_REASON_SILENCE
        return self.pipeline.spoken.finish_reason

    def push(self, decoded: Samples | None) -> Samples:
        """Take the pipeline's next samples.

        Args:
            decoded: (n,) float32 samples; None after the last.

        Returns:
            (m,) float32 samples to send now, m >= 0.
        """
        if decoded is None:
            self.ended = True
            self._held.append(self._trimmer.flush())
        else:
            self._held.append(self._trimmer.push(decoded))
        if not self.accepted.done() and (self.ended or self._trimmer.has_sound):
            self.accepted.set_result(self._succeeds())
        if not self.accepted.done():
            return self._held[0][:0]
        self.ended = self.ended or not self.accepted.result()
        samples = np.concatenate(self._held)
        self._held.clear()
        return samples if self.accepted.result() else samples[:0]

    def _succeeds(self) -> bool:
        """Whether the attempt is good, as known at its first sound or at its end."""
        if not self._trimmer.has_sound:
            return False
        return self.ended or self.pipeline.spoken.finish_reason != common_pb2.FINISH_REASON_LENGTH
