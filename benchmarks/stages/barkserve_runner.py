"""The work of `benchmarks.stages` by barkserve's models, driven as its stages drive them, without
gRPC. Runs in a process of its own, see `benchmarks.stages.worker`.
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
from barkserve.config import FineOptions
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
from barkserve.semantic.alignment_head import HeadChoice
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
PREFILL_POSITIONS = 512  # as a stage has it on a CPU
GREEDY = SamplingParams(greedy=True)
NOTHING = np.empty(0, dtype=np.int64)


class Loop(Protocol):
    """What runs a model."""

    async def start(self) -> None: ...

    async def stop(self) -> None: ...


class Stage(Protocol):
    """One stage, or all."""

    @property
    def loops(self) -> tuple[Loop, ...]:
        """What must run."""

    def outputs(self) -> AsyncIterator[Any]:
        """One stream's work."""


def default_chunks(lookahead: int | None = None) -> ChunkPlan:
    """When `barkserve fine` fills while streaming, if nobody says otherwise."""
    options = FineOptions()
    return ChunkPlan(
        options.first_chunk_frames,
        options.chunk_growth,
        options.max_chunk_frames,
        options.lookahead_frames if lookahead is None else lookahead,
    )


class Semantic:
    """work.tokens tokens behind a text of 20 ids."""

    def __init__(self, checkpoint: Checkpoint, work: Work) -> None:
        self._bark = checkpoint.bark
        self._tokens = work.tokens
        self._encode = TextEncoder(checkpoint).encode
        model = load_semantic(checkpoint, Placement.of(*PLACEMENT))
        runner = ModelRunner(model, [semantic_head(self._bark)], work.most_streams)
        self._engine = Engine(runner, PREFILL_POSITIONS, ModelThread(_cores))
        self.loops = (self._engine,)

    def outputs(self) -> AsyncIterator[SemanticStep]:
        """Steps of tokens."""
        heads = HeadChoice(self._engine, self._bark, self._encode)
        ids = np.arange(20, dtype=np.int64) + self._bark.semantic_generation.text_encoding_offset
        request = SemanticRequest(ids, NOTHING, GREEDY, 0, NOTHING, self._tokens)
        generator = SemanticGenerator(self._engine, self._bark, heads)
        return generator.generate(request, SemanticRun())


class Coarse:
    """An utterance of work.seconds without a voice."""

    def __init__(self, checkpoint: Checkpoint, work: Work) -> None:
        self._bark = checkpoint.bark
        self._given = [(7 * i) % 10_000 for i in range(work.semantic_for_coarse)]
        model = load_coarse(checkpoint, Placement.of(*PLACEMENT))
        runner = ModelRunner(model, coarse_heads(self._bark), work.most_streams)
        self._engine = Engine(runner, PREFILL_POSITIONS, ModelThread(_cores))
        self.loops = (self._engine,)

    def outputs(self) -> AsyncIterator[Any]:
        """Frames, of tokens that are all there."""
        return self.of(_once(self._given))

    def of(self, tokens: AsyncIterator[list[int]]) -> AsyncIterator[Any]:
        """Frames, as tokens come."""
        request = CoarseRequest(no_history(), GREEDY, 0, np.empty((0, 2), dtype=np.int64))
        return CoarseGenerator(self._engine, self._bark).generate(request, tokens, CoarseRun())


class Fine:
    """An utterance of work.seconds."""

    def __init__(self, checkpoint: Checkpoint, work: Work) -> None:
        self._bark = checkpoint.bark
        self._frames = work.frames
        model = load_fine(checkpoint, Placement.of(*PLACEMENT))
        filler = Filler(model, 2, 8, self._bark.codebook_size)
        self._batcher = Batcher(filler.fill, 1, ModelThread(_cores))
        self.loops = (self._batcher,)

    def outputs(self) -> AsyncIterator[Any]:
        """Codes, EXACT."""
        codes = np.arange(2 * self._frames, dtype=np.int64).reshape(-1, 2) % 1024
        return self.of(_once(codes), None)

    def of(self, coarse: AsyncIterator[Any], chunks: ChunkPlan | None) -> AsyncIterator[Any]:
        """Codes, as frames come."""
        nothing = np.empty((0, 8), dtype=np.int64)
        request = FineRequest(nothing, None, 0, chunks, nothing)
        return FineGenerator(self._batcher, self._bark).generate(request, coarse, FineRun())


class Codec:
    """An utterance of work.seconds."""

    def __init__(self, checkpoint: Checkpoint, work: Work) -> None:
        self._frames = work.frames
        model = load_codec(checkpoint, Placement.of(*PLACEMENT))
        self._batcher = Batcher(Decoder(model).decode, 1, ModelThread(_cores))
        rate = checkpoint.bark.sample_rate
        self._generator = CodecGenerator(self._batcher, model.first_frames, rate)
        self.loops = (self._batcher,)

    def outputs(self) -> AsyncIterator[Any]:
        """Samples, of frames that are all there."""
        return self.of(_once(np.arange(8 * self._frames, dtype=np.int64).reshape(-1, 8) % 1024))

    def of(self, frames: AsyncIterator[Any]) -> AsyncIterator[Any]:
        """Samples, as frames come."""
        return self._generator.generate(frames, 0, CodecRun())


class Chain:
    """All four, STREAMING, as fast as it comes."""

    def __init__(self, checkpoint: Checkpoint, work: Work) -> None:
        self._semantic = Semantic(checkpoint, work)
        self._coarse = Coarse(checkpoint, work)
        self._fine = Fine(checkpoint, work)
        self._codec = Codec(checkpoint, work)
        parts = (self._semantic, self._coarse, self._fine, self._codec)
        self.loops = tuple(loop for part in parts for loop in part.loops)

    def outputs(self) -> AsyncIterator[Any]:
        """Samples."""
        frames = self._coarse.of(_tokens(self._semantic.outputs()))
        return self._codec.of(self._fine.of(frames, default_chunks()))


STAGES: dict[str, type[Semantic | Coarse | Fine | Codec | Chain]] = {
    "semantic": Semantic,
    "coarse": Coarse,
    "fine": Fine,
    "codec": Codec,
    "chain": Chain,
}


async def run(stage: Stage, streams: int) -> tuple[float, float]:
    """Seconds of so many streams side by side, and the median of those until the first output."""
    started = time.perf_counter()

    async def one() -> float:
        first = 0.0
        async for _ in stage.outputs():
            first = first or time.perf_counter() - started
        return first

    firsts = await asyncio.gather(*(one() for _ in range(streams)))
    return time.perf_counter() - started, statistics.median(firsts)


async def main(work: Work) -> None:
    """Load, warm up, and do what is asked."""
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
    torch.set_num_threads(1)  # as in a stage: only the model's own thread has a team of threads
    asyncio.run(main(Work.of_command_line()))
