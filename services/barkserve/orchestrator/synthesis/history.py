"""The tokens before a segment that each stage's model reads. Knows no messages.

A stage's part is passed to the next segment as soon as the stage has finished the segment.
"""

import asyncio
import math
from collections.abc import Mapping, Sequence
from typing import Literal, Self, get_args

from barkserve.checkpoint.bark_config import BarkConfig
from barkserve.checkpoint.voices import Voice

HistoryStage = Literal["semantic", "coarse", "fine"]
HISTORY_STAGES: tuple[HistoryStage, ...] = get_args(HistoryStage)
"""The stages whose models read a history."""


class History:
    """The tokens up to the end of a segment, each stage's known once that stage has finished.

    semantic: tokens. coarse: codes of the coarse codebooks, frame by frame, each below
    codebook_size. fine: codes of all codebooks, frame by frame.
    """

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self._tokens: dict[HistoryStage, asyncio.Future[Sequence[int]]] = {
            stage: loop.create_future() for stage in HISTORY_STAGES
        }

    @classmethod
    def from_voice(cls, voice: Voice | None) -> Self:
        """The history before the first segment."""
        history = cls()
        history.set("semantic", [] if voice is None else voice.semantic_prompt.tolist())
        history.set("coarse", [] if voice is None else voice.coarse_prompt.T.ravel().tolist())
        history.set("fine", [] if voice is None else voice.fine_prompt.T.ravel().tolist())
        return history

    def future(self, stage: HistoryStage) -> "asyncio.Future[Sequence[int]]":
        """A stage's tokens, once they are known."""
        return self._tokens[stage]

    async def get(self, stage: HistoryStage) -> Sequence[int]:
        """Wait for a stage's tokens. Raises the error that the stage failed with."""
        return await asyncio.shield(self._tokens[stage])

    def set(self, stage: HistoryStage, tokens: Sequence[int]) -> None:
        """Set a stage's tokens: it has finished the segment."""
        self._tokens[stage].set_result(tokens)

    def fail(self, stage: HistoryStage, error: Exception) -> None:
        """Set the error with which a stage failed."""
        future = self._tokens[stage]
        if not future.done():
            future.set_exception(error)
            future.exception()  # retrieved, or asyncio would log an error that is never awaited

    def close(self) -> None:
        """Cancel what is not known yet."""
        for future in self._tokens.values():
            future.cancel()


def history_sizes(config: BarkConfig) -> Mapping[HistoryStage, int]:
    """How many tokens or codes the models of a checkpoint can read back."""
    semantic, coarse, fine = (
        config.semantic_generation,
        config.coarse_generation,
        config.fine_generation,
    )
    books = coarse.n_coarse_codebooks
    frames = coarse.max_coarse_history // books + 8
    semantic_frames = math.ceil(frames * books / config.semantic_to_coarse_ratio)
    return {
        "semantic": max(semantic.max_input_semantic_length, semantic_frames),
        "coarse": frames * books,
        "fine": fine.max_fine_history_length * fine.n_fine_codebooks,
    }


def extend_history(before: Sequence[int], own: Sequence[int], most: int) -> Sequence[int]:
    """The history after a segment: the last `most` of the tokens before it and its own."""
    room = most - len(own)
    return own[-most:] if room <= 0 else [*before[-room:], *own]
