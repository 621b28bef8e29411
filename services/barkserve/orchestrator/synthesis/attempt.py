"""One drawing of a piece: what of it is heard, and whether it must be drawn anew. Knows neither
pieces before nor after.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

import numpy as np

from barkserve.orchestrator.audio.silence import Samples, SilenceTrimmer
from barkserve.orchestrator.synthesis.pipeline import Pipeline
from barkserve.v1 import common_pb2


class Attempt:
    """A pipeline under way. Made for one use, inside an event loop.

    Args:
        pipeline: speaks.
        trimmer: of this piece.
        may_fail: the piece can be drawn anew.

    Attributes:
        accepted: whether this take is heard: false for one that failed and of which nothing has
            left. Known when the first sound leaves, at the end at the latest.
    """

    def __init__(self, pipeline: Pipeline, trimmer: SilenceTrimmer, *, may_fail: bool) -> None:
        self.pipeline = pipeline
        self.accepted: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._trimmer = trimmer
        if not may_fail:
            self.accepted.set_result(True)

    async def samples(
        self, decoded: AsyncGenerator[Samples, None]
    ) -> AsyncGenerator[Samples, None]:
        """Yields (n,) float32 samples that are heard, n >= 1; nothing if the take failed.

        Args:
            decoded: all samples of the pipeline.

        Raises:
            BarkserveError: what a stage said.
        """
        held: list[Samples] = []
        async with aclosing(decoded) as parts:
            async for part in parts:
                held.append(self._trimmer.push(part))
                if not self._settled():
                    continue
                if not self.accepted.result():
                    return
                for each in _joined(held):
                    yield each
                held.clear()
        held.append(self._trimmer.flush())
        if self._ends_well():
            for each in _joined(held):
                yield each

    def _settled(self) -> bool:
        """Whether it is known if the take is heard; decides when there is the first sound."""
        if not self.accepted.done() and self._trimmer.has_sound:
            reason = self.pipeline.spoken.finish_reason
            self.accepted.set_result(reason != common_pb2.FINISH_REASON_LENGTH)
        return self.accepted.done()

    def _ends_well(self) -> bool:
        """Note how the piece ended; whether the take is heard."""
        if not self._trimmer.has_sound:
            self.pipeline.spoken.finish_reason = common_pb2.FINISH_REASON_SILENCE
        if not self.accepted.done():
            self.accepted.set_result(self._trimmer.has_sound)
        return self.accepted.result()


def _joined(parts: list[Samples]) -> list[Samples]:
    """All parts as one, none if there is no sample."""
    joined = np.concatenate(parts)
    return [joined] if len(joined) else []
