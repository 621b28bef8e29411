"""What each model remembers of the speech before a piece: tokens, handed on from piece to piece
as soon as a stage has made the last one. Knows no messages.
"""

import asyncio
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Self, get_args

from barkserve.checkpoint.bark_config import BarkConfig
from barkserve.checkpoint.voices import Voice

HistoryStage = Literal["semantic", "coarse", "fine"]
HISTORY_STAGES: tuple[HistoryStage, ...] = get_args(HistoryStage)
"""The stages whose models read a history."""


@dataclass(frozen=True)
class HistorySizes:
    """Most numbers that are worth remembering for each stage."""

    tokens: dict[HistoryStage, int]

    @classmethod
    def of(cls, config: BarkConfig) -> Self:
        """For a checkpoint: as far back as its models look."""
        semantic, coarse = config.semantic_generation, config.coarse_generation
        fine = config.fine_generation
        books = coarse.n_coarse_codebooks
        frames = coarse.max_coarse_history // books + 8
        semantic_frames = math.ceil(frames * books / config.semantic_to_coarse_ratio)
        return cls(
            {
                "semantic": max(semantic.max_input_semantic_length, semantic_frames),
                "coarse": frames * books,
                "fine": fine.max_fine_history_length * fine.n_fine_codebooks,
            }
        )


class History:
    """The tokens up to the end of a piece, stage by stage, each known once that stage is done.

    semantic: tokens. coarse: codes of the coarse codebooks, frame by frame, each below
    codebook_size. fine: codes of all codebooks, frame by frame.
    """

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self._parts: dict[HistoryStage, asyncio.Future[Sequence[int]]] = {
            stage: loop.create_future() for stage in HISTORY_STAGES
        }

    @classmethod
    def of_voice(cls, voice: Voice | None) -> Self:
        """What is remembered before the first piece."""
        memory = cls()
        memory.know("semantic", [] if voice is None else voice.semantic_prompt.tolist())
        memory.know("coarse", [] if voice is None else voice.coarse_prompt.T.ravel().tolist())
        memory.know("fine", [] if voice is None else voice.fine_prompt.T.ravel().tolist())
        return memory

    def known(self, stage: HistoryStage) -> "asyncio.Future[Sequence[int]]":
        """Done once the stage is."""
        return self._parts[stage]

    async def of(self, stage: HistoryStage) -> Sequence[int]:
        """What a stage remembers; waits until it is known. Raises what the stage failed with."""
        return await asyncio.shield(self._parts[stage])

    def know(self, stage: HistoryStage, tokens: Sequence[int]) -> None:
        """The stage has made its last token of the piece."""
        self._parts[stage].set_result(tokens)

    def fail(self, stage: HistoryStage, error: Exception) -> None:
        """The stage will not get there."""
        if not self._parts[stage].done():
            self._parts[stage].set_exception(error)
            self._parts[stage].exception()  # whether anybody asks or not

    def close(self) -> None:
        """What is not known now will never be."""
        for part in self._parts.values():
            part.cancel()


def extend_history(before: Sequence[int], own: Sequence[int], most: int) -> Sequence[int]:
    """What is remembered after a piece: its own tokens, and as many of those before it as there is
    room for.
    """
    room = most - len(own)
    return own[-most:] if room <= 0 else [*before[-room:], *own]
