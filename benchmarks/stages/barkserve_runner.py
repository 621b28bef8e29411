"""Run the work of `benchmarks.stages` with barkserve's generators, without gRPC.

`benchmarks.stages.worker` starts this module as a process.
"""

import asyncio
import os
import statistics
import time
from collections.abc import AsyncIterator
from functools import partial
from typing import Any, Protocol

import numpy as np
import torch

from barkserve.checkpoint.tensors import Checkpoint
from barkserve.coarse.generator import CoarseGenerator, CoarseRequest, CoarseRun, coarse_heads
from barkserve.coarse.windows import no_history
from barkserve.codec.decoder import Decoder
from barkserve.codec.generator import CodecGenerator, CodecRun
from barkserve.config.stages import FineOptions
from barkserve.engine.batcher import Batcher
from barkserve.engine.engine import Engine
from barkserve.engine.model_runner import ModelRunner
from barkserve.engine.model_thread import ModelThread
from barkserve.engine.request import SamplingParams
from barkserve.fine.filler import Filler
from barkserve.fine.generator import FineGenerator, FineRequest, FineRun
from barkserve.fine.windows import ChunkPlan
from barkserve.models.attention import Backend
from barkserve.models.loading import Placement, load_coarse, load_codec, load_fine, load_semantic
from barkserve.semantic.alignment_head import AlignmentHeadFinder
from barkserve.semantic.generator import (
    SemanticGenerator,
    SemanticRequest,
    SemanticRun,
    SemanticStep,
    semantic_head,
)
from barkserve.semantic.text import TextEncoder
from benchmarks.stages.worker import Work, serve

PLACEMENT: tuple[str, str, Backend] = ("cpu", "float32", "sdpa")
PREFILL_POSITIONS = 512  # a stage's default on a CPU
GREEDY = SamplingParams(greedy=True)
NOTHING = np.empty(0, dtype=np.int64)


class Loop(Protocol):
    """An engine or a batcher: runs a model."""

    async def start(self) -> None: ...

    async def stop(self) -> None: ...


class Stage(Protocol):
    """One stage, or all four."""

    @property
    def loops(self) -> tuple[Loop, ...]:
        """The loops to start before and stop after."""

    def outputs(self) -> AsyncIterator[Any]:
        """Do the work of one stream."""


def default_chunks(lookahead: int | None = None) -> ChunkPlan:
    """Return the chunks of `barkserve fine` with default options, or with another look-ahead."""
    options = FineOptions()
    return ChunkPlan(
        options.first_chunk_frames,
        options.chunk_growth,
        options.max_chunk_frames,
        options.lookahead_frames if lookahead is None else lookahead,
    )


class Semantic:
    """The semantic stage: `work.tokens` tokens after a text of 20 ids."""

    def __init__(self, checkpoint: Checkpoint, work: Work) -> None:
        self._bark = checkpoint.bark
        self._tokens = work.tokens
        self._encode = TextEncoder(checkpoint).encode
        model = load_semantic(checkpoint, Placement.parse(*PLACEMENT))
        runner = ModelRunner(model, [semantic_head(self._bark)], work.max_streams)
        self._engine = Engine(runner, PREFILL_POSITIONS, ModelThread(_cores))
        self.loops = (self._engine,)

    def outputs(self) -> AsyncIterator[SemanticStep]:
        """Yield the tokens of each step."""
        heads = AlignmentHeadFinder(self._engine, self._bark, self._encode)
        ids = np.arange(20, dtype=np.int64) + self._bark.semantic_generation.text_encoding_offset
        request = SemanticRequest(ids, NOTHING, GREEDY, 0, NOTHING, self._tokens)
        generator = SemanticGenerator(self._engine, self._bark, heads)
        return generator.generate(request, SemanticRun())


class Coarse:
    """The coarse stage: an utterance of `work.seconds` without a voice."""

    def __init__(self, checkpoint: Checkpoint, work: Work) -> None:
        self._bark = checkpoint.bark
        self._given = [(7 * i) % 10_000 for i in range(work.semantic_for_coarse)]
        model = load_coarse(checkpoint, Placement.parse(*PLACEMENT))
        runner = ModelRunner(model, coarse_heads(self._bark), work.max_streams)
        self._engine = Engine(runner, PREFILL_POSITIONS, ModelThread(_cores))
        self.loops = (self._engine,)

    def outputs(self) -> AsyncIterator[Any]:
        """Yield frames, from tokens that are all known."""
        return self.generate(_once(self._given))

    def generate(self, tokens: AsyncIterator[list[int]]) -> AsyncIterator[Any]:
        """Yield frames while tokens arrive."""
        request = CoarseRequest(no_history(), GREEDY, 0, np.empty((0, 2), dtype=np.int64))
        return CoarseGenerator(self._engine, self._bark).generate(request, tokens, CoarseRun())


class Fine:
    """The fine stage: an utterance of `work.seconds`."""

    def __init__(self, checkpoint: Checkpoint, work: Work) -> None:
        self._bark = checkpoint.bark
        self._frames = work.frames
        model = load_fine(checkpoint, Placement.parse(*PLACEMENT))
        filler = Filler(model, 2, 8, self._bark.codebook_size)
        self._batcher = Batcher(filler.fill, 1, ModelThread(_cores))
        self.loops = (self._batcher,)

    def outputs(self) -> AsyncIterator[Any]:
        """Yield codes, EXACT."""
        codes = np.arange(2 * self._frames, dtype=np.int64).reshape(-1, 2) % 1024
        return self.generate(_once(codes), None)

    def generate(self, coarse: AsyncIterator[Any], chunks: ChunkPlan | None) -> AsyncIterator[Any]:
        """Yield codes while frames arrive; EXACT if `chunks` is None."""
        nothing = np.empty((0, 8), dtype=np.int64)
        request = FineRequest(nothing, None, 0, chunks, nothing)
        return FineGenerator(self._batcher, self._bark).generate(request, coarse, FineRun())


class Codec:
    """The codec: an utterance of `work.seconds`."""

    def __init__(self, checkpoint: Checkpoint, work: Work) -> None:
        self._frames = work.frames
        model = load_codec(checkpoint, Placement.parse(*PLACEMENT))
        self._batcher = Batcher(Decoder(model).decode, 1, ModelThread(_cores))
        self._generator = CodecGenerator(self._batcher, checkpoint.bark.codec)
        self.loops = (self._batcher,)

    def outputs(self) -> AsyncIterator[Any]:
        """Yield samples, from frames that are all known."""
        codes = np.arange(8 * self._frames, dtype=np.int64).reshape(-1, 8) % 1024
        return self.generate(_once(codes))

    def generate(self, frames: AsyncIterator[Any]) -> AsyncIterator[Any]:
        """Yield samples while frames arrive."""
        return self._generator.generate(frames, 0, CodecRun())


class Chain:
    """All four stages, STREAMING."""

    def __init__(self, checkpoint: Checkpoint, work: Work) -> None:
        self._semantic = Semantic(checkpoint, work)
        self._coarse = Coarse(checkpoint, work)
        self._fine = Fine(checkpoint, work)
        self._codec = Codec(checkpoint, work)
        parts = (self._semantic, self._coarse, self._fine, self._codec)
        self.loops = tuple(loop for part in parts for loop in part.loops)

    def outputs(self) -> AsyncIterator[Any]:
        """Yield samples."""
        frames = self._coarse.generate(_tokens(self._semantic.outputs()))
        return self._codec.generate(self._fine.generate(frames, default_chunks()))


STAGES: dict[str, type[Semantic | Coarse | Fine | Codec | Chain]] = {
    "semantic": Semantic,
    "coarse": Coarse,
    "fine": Fine,
    "codec": Codec,
    "chain": Chain,
}


async def run(stage: Stage, streams: int) -> tuple[float, float]:
    """Run streams at once; return the seconds in all and the median until the first output."""
    started = time.perf_counter()

    async def one() -> float:
        first = 0.0
        async for _ in stage.outputs():
            first = first or time.perf_counter() - started
        return first

    firsts = await asyncio.gather(*(one() for _ in range(streams)))
    return time.perf_counter() - started, statistics.median(firsts)


async def main(work: Work) -> None:
    """Load the models and serve requests of the parent process."""
    stage = STAGES[work.part](Checkpoint.open(work.folder), work)
    for loop in stage.loops:
        await loop.start()
    await serve(partial(run, stage))
    for loop in stage.loops:
        await loop.stop()


async def _tokens(steps: AsyncIterator[SemanticStep]) -> AsyncIterator[list[int]]:
    async for step in steps:
        yield step.tokens


async def _once(item: Any) -> AsyncIterator[Any]:
    yield item


def _cores() -> None:
    torch.set_num_threads(len(os.sched_getaffinity(0)))


if __name__ == "__main__":
    torch.set_num_threads(1)  # as in a stage: only the model's thread uses all cores
    asyncio.run(main(Work.from_command_line()))
