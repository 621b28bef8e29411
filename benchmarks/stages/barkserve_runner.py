"""Run the work of `benchmarks.stages` with barkserve's stages, without gRPC.

`benchmarks.stages.worker` starts this module as a process. Stages are built as their services are,
so that the options of the command line apply.
"""

import asyncio
import os
import statistics
import time
from collections.abc import AsyncIterator, Awaitable
from dataclasses import fields
from functools import partial
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from barkserve.building import coarse, codec, fine, semantic
from barkserve.coarse.generator import CoarseRequest, CoarseRun
from barkserve.coarse.windows import cut_history, no_history
from barkserve.codec.generator import CodecRun
from barkserve.config.stages import CoarseOptions, CodecOptions, FineOptions, SemanticOptions
from barkserve.engine.request import SamplingParams
from barkserve.fine.generator import FineRequest, FineRun
from barkserve.fine.windows import ChunkPlan
from barkserve.semantic.generator import SemanticRequest, SemanticRun
from barkserve.serving.metrics import Metrics
from benchmarks.stages import inputs
from benchmarks.stages.decode_steps import Outputs, step_ms
from benchmarks.stages.worker import Progress, Work, serve

Options = TypeVar("Options", SemanticOptions, CoarseOptions, FineOptions, CodecOptions)

NOTHING = np.empty(0, dtype=np.int64)
Array = NDArray[Any]


class Stage(Protocol):
    """One stage, or all four.

    Attributes:
        window: tokens between two prompts of a stream; 0: it has one prompt; None: it draws no
            tokens.
    """

    window: int | None

    def start(self) -> Awaitable[None]: ...

    def stop(self) -> Awaitable[None]: ...

    def outputs(self) -> AsyncIterator[Array]:
        """Do the work of one stream; yields tokens, codes or samples."""


class Semantic:
    """The semantic stage: `work.tokens` tokens after a text of 20 ids."""

    window: int | None = 0

    def __init__(self, work: Work) -> None:
        self._parts = semantic.build_parts(_options(SemanticOptions, work), Metrics("semantic"))
        self.start, self.stop = self._parts.start, self._parts.loop.stop
        self._work = work

    async def outputs(self) -> AsyncIterator[Array]:
        """Generate the tokens."""
        async for tokens in self.generate():
            yield np.array(tokens)

    async def generate(self) -> AsyncIterator[list[int]]:
        """Yield the tokens of each step."""
        offset = self._parts.bark.semantic_generation.text_encoding_offset
        request = SemanticRequest(
            inputs.TEXT + offset,
            _voice(self._work).semantic,
            _sampling(self._work),
            0,
            NOTHING,
            self._work.tokens,
        )
        async for step in self._parts.generator.generate(request, SemanticRun()):
            yield step.tokens


class Coarse:
    """The coarse stage: an utterance of `work.seconds`."""

    def __init__(self, work: Work) -> None:
        self._parts = coarse.build_parts(_options(CoarseOptions, work), Metrics("coarse"))
        self.start, self.stop = self._parts.start, self._parts.loop.stop
        self.window: int | None = self._parts.generator.geometry.window
        self._work = work

    def outputs(self) -> AsyncIterator[Array]:
        """Generate frames, from tokens that are all known."""
        return self.generate(_once(inputs.semantic_tokens(self._work.semantic_for_coarse)))

    def generate(self, tokens: AsyncIterator[list[int]]) -> AsyncIterator[Any]:
        """Yield frames while tokens arrive."""
        voice, geometry = _voice(self._work), self._parts.generator.geometry
        history = (
            cut_history(voice.semantic, voice.fine[:, :2], geometry)
            if self._work.voice
            else no_history()
        )
        request = CoarseRequest(history, _sampling(self._work), 0, np.empty((0, 2), dtype=np.int64))
        return self._parts.generator.generate(request, tokens, CoarseRun())


class Fine:
    """The fine stage: an utterance of `work.seconds`."""

    window: int | None = None

    def __init__(self, work: Work) -> None:
        self._options = _options(FineOptions, work)
        self._parts = fine.build_parts(self._options, Metrics("fine"))
        self.start, self.stop = self._parts.start, self._parts.loop.stop
        self._work = work

    def outputs(self) -> AsyncIterator[Array]:
        """Fill all codebooks, EXACT."""
        return self.generate(_once(inputs.codes(self._work.frames, 2)), None)

    def streamed(self, frames: AsyncIterator[Any]) -> AsyncIterator[Any]:
        """Yield codes while frames arrive, STREAMING."""
        return self.generate(frames, self._parts.planner.plan)

    def generate(self, frames: AsyncIterator[Any], chunks: ChunkPlan | None) -> AsyncIterator[Any]:
        """Yield codes while frames arrive; EXACT if `chunks` is None."""
        nothing = np.empty((0, 8), dtype=np.int64)
        temperature = 0.5 if self._work.sampled else None
        request = FineRequest(_voice(self._work).fine, temperature, 0, chunks, nothing)
        return self._parts.generator.generate(request, frames, FineRun())


class Codec:
    """The codec: an utterance of `work.seconds`."""

    window: int | None = None

    def __init__(self, work: Work) -> None:
        self._parts = codec.build_parts(_options(CodecOptions, work), Metrics("codec"))
        self.start, self.stop = self._parts.start, self._parts.loop.stop
        self._frames = work.frames

    def outputs(self) -> AsyncIterator[Array]:
        """Decode frames that are all known."""
        return self.generate(_once(inputs.codes(self._frames, 8)))

    def generate(self, frames: AsyncIterator[Any]) -> AsyncIterator[Any]:
        """Yield samples while frames arrive."""
        return self._parts.generator.generate(frames, 0, CodecRun())


class Chain:
    """All four stages, STREAMING."""

    window: int | None = None

    def __init__(self, work: Work) -> None:
        self._semantic, self._coarse = Semantic(work), Coarse(work)
        self._fine, self._codec = Fine(work), Codec(work)
        self._stages = (self._semantic, self._coarse, self._fine, self._codec)

    async def start(self) -> None:
        """Start all stages."""
        for stage in self._stages:
            await stage.start()

    async def stop(self) -> None:
        """Stop all stages."""
        for stage in self._stages:
            await stage.stop()

    def outputs(self) -> AsyncIterator[Array]:
        """Speak."""
        frames = self._coarse.generate(self._semantic.generate())
        return self._codec.generate(self._fine.streamed(frames))


STAGES: dict[str, type[Semantic | Coarse | Fine | Codec | Chain]] = {
    "semantic": Semantic,
    "coarse": Coarse,
    "fine": Fine,
    "codec": Codec,
    "chain": Chain,
}


async def run(stage: Stage, streams: int) -> Progress:
    """Run streams at once."""
    started = time.perf_counter()

    async def one() -> Outputs:
        return [(time.perf_counter() - started, each.size) async for each in stage.outputs()]

    outputs = await asyncio.gather(*(one() for _ in range(streams)))
    seconds = time.perf_counter() - started
    first_s = statistics.median(stream[0][0] for stream in outputs)
    steps = None if stage.window is None else step_ms(outputs, stage.window)
    return Progress(seconds, first_s, steps)


async def main(work: Work) -> None:
    """Load the models and serve requests of the parent process."""
    stage = STAGES[work.part](work)
    await stage.start()
    await serve(partial(run, stage))
    await stage.stop()


def _options(kind: type[Options], work: Work) -> Options:
    """Options of a stage. Each model's thread uses all cores, as if the other stages were idle."""
    cores = len(os.sched_getaffinity(0))
    given: dict[str, Any] = {"threads": cores, "slots": work.max_streams, **work.options}
    names = {each.name for each in fields(kind)}
    known = {name: value for name, value in given.items() if name in names}
    return kind(checkpoint=work.folder, **known)


def _sampling(work: Work) -> SamplingParams:
    if work.sampled:
        return SamplingParams(temperature=0.7, top_k=50)
    return SamplingParams(greedy=True)


def _voice(work: Work) -> inputs.Voice:
    return inputs.Voice.random() if work.voice else inputs.Voice.none()


async def _once(item: Any) -> AsyncIterator[Any]:
    yield item


if __name__ == "__main__":
    asyncio.run(main(Work.from_command_line()))
