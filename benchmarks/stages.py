"""Each stage alone, ours beside transformers', on one random checkpoint of Bark's real shapes, a
process each.

    python -m benchmarks.stages --shape small --pairs 3 --out benchmarks/results/stages-cpu.json

Runs the two in turn, A B A B, so that a machine whose speed drifts is fair to both, and reports the
median of the pairs' ratios. Knows no gRPC: what a network costs is measured here, what a stream
costs by `barkclient bench`.
"""

import argparse
import asyncio
import multiprocessing
import os
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers.models.bark.generation_configuration_bark import (
    BarkCoarseGenerationConfig,
    BarkFineGenerationConfig,
    BarkSemanticGenerationConfig,
)

from barkserve.coarse.generator import CoarseGenerator, CoarseRequest, CoarseRun, coarse_heads
from barkserve.coarse.windows import no_history
from barkserve.codec.decoder import DecodeJob, Decoder
from barkserve.codec.generator import CodecGenerator, CodecRun
from barkserve.engine.batcher import Batcher
from barkserve.engine.engine import Engine
from barkserve.engine.model_runner import ModelRunner
from barkserve.engine.sequence import SamplingParams
from barkserve.fine.filler import Filler
from barkserve.fine.generator import FineGenerator, FineRequest, FineRun
from barkserve.models.checkpoint import Checkpoint
from barkserve.models.loading import Placement, load_coarse, load_codec, load_fine, load_semantic
from barkserve.semantic.generator import (
    SemanticGenerator,
    SemanticRequest,
    SemanticRun,
    SemanticStep,
    semantic_head,
)
from barkserve.semantic.head_choice import HeadChoice
from barkserve.semantic.text import TextEncoder
from benchmarks.report import SHAPES, default_chunks, spec_of, write_report
from tests.checkpoints import build_checkpoint, reference

PARTS = ("semantic", "coarse", "fine", "codec", "chain")
Results = dict[str, dict[str, float]]
GREEDY = SamplingParams(greedy=True)
NOTHING = np.empty(0, dtype=np.int64)


@dataclass(frozen=True)
class Work:
    """How much each stage has to do.

    Attributes:
        tokens: semantic tokens of one stream.
        seconds: audio of one coarse, fine and codec utterance.
    """

    tokens: int
    seconds: float

    @property
    def semantic_for_coarse(self) -> int:
        """Semantic tokens worth `seconds` of audio."""
        return round(self.seconds * 49.9)

    @property
    def frames(self) -> int:
        """Frames worth `seconds` of audio."""
        return round(self.seconds * 75)


class Ours:
    """barkserve's networks, driven as its stages drive them, without gRPC."""

    def __init__(self, folder: Path, work: Work) -> None:
        placement = Placement.of("cpu", "float32", "sdpa")
        checkpoint = Checkpoint.open(folder)
        bark = self._bark = checkpoint.bark
        self._work = work
        heads = [semantic_head(bark)]
        self._encode = TextEncoder(checkpoint).encode
        begin = partial(torch.set_num_threads, len(os.sched_getaffinity(0)))
        semantic = ModelRunner(load_semantic(checkpoint, placement), heads, 2)
        self._semantic = Engine(semantic, begin=begin)
        coarse = ModelRunner(load_coarse(checkpoint, placement), coarse_heads(bark), 2)
        self._coarse = Engine(coarse, begin=begin)
        filler = Filler(load_fine(checkpoint, placement), 2, 8, bark.codebook_size)
        self._fine = Batcher(filler.fill, 1, begin)
        codec = load_codec(checkpoint, placement)
        self._codec_batches = Batcher(Decoder(codec).decode, 1, begin)
        self._first_frames = codec.first_frames

    async def start(self) -> None:
        """Start the loops."""
        for part in (self._semantic, self._coarse, self._fine, self._codec_batches):
            await part.start()

    async def stop(self) -> None:
        """Stop the loops."""
        for part in (self._semantic, self._coarse, self._fine, self._codec_batches):
            await part.stop()

    def _semantic_generator(self) -> SemanticGenerator:
        heads = HeadChoice(self._semantic, self._bark, self._encode)
        return SemanticGenerator(self._semantic, self._bark, heads)

    async def semantic(self) -> None:
        """One stream of work.tokens tokens."""
        generator = self._semantic_generator()
        offset = self._bark.semantic_generation.text_encoding_offset
        ids = np.arange(20, dtype=np.int64) + offset
        request = SemanticRequest(ids, NOTHING, GREEDY, 0, NOTHING, self._work.tokens)
        async for _ in generator.generate(request, SemanticRun()):
            pass

    async def coarse(self) -> None:
        """One utterance of work.seconds, without a voice."""
        generator = CoarseGenerator(self._coarse, self._bark)
        request = CoarseRequest(no_history(), GREEDY, 0, np.empty((0, 2), dtype=np.int64))
        tokens = [(7 * i) % 10_000 for i in range(self._work.semantic_for_coarse)]
        async for _ in generator.generate(request, _once(tokens), CoarseRun()):
            pass

    async def fine(self) -> None:
        """One EXACT utterance of work.seconds."""
        generator = FineGenerator(self._fine, self._bark)
        nothing = np.empty((0, 8), dtype=np.int64)
        codes = np.arange(2 * self._work.frames, dtype=np.int64).reshape(-1, 2) % 1024
        request = FineRequest(nothing, None, 0, None, nothing)
        async for _ in generator.generate(request, _once(codes), FineRun()):
            pass

    async def codec(self) -> None:
        """One utterance of work.seconds, a second at a time."""
        codes = np.arange(8 * self._work.frames, dtype=np.int64).reshape(-1, 8) % 1024
        state = None
        for start in range(0, len(codes), 75):
            job = DecodeJob(codes[start : start + 75], state)
            state = (await self._codec_batches.submit(job.shape_key, job)).state

    async def whole(self) -> float:
        """One utterance of work.seconds through all four, STREAMING, as fast as it comes; returns
        seconds to the first samples."""
        started = time.perf_counter()
        first = 0.0
        async for _ in self._samples():
            first = first or time.perf_counter() - started
        return first

    def _samples(self) -> AsyncIterator[Any]:
        bark, tokens = self._bark, self._work.tokens
        ids = np.arange(20, dtype=np.int64) + bark.semantic_generation.text_encoding_offset
        speak = SemanticRequest(ids, NOTHING, GREEDY, 0, NOTHING, tokens)
        semantic = self._semantic_generator().generate(speak, SemanticRun())
        code = CoarseRequest(no_history(), GREEDY, 0, np.empty((0, 2), dtype=np.int64))
        coarse = CoarseGenerator(self._coarse, bark).generate(code, _tokens(semantic), CoarseRun())
        nothing = np.empty((0, 8), dtype=np.int64)
        fill = FineRequest(nothing, None, 0, default_chunks(), nothing)
        fine = FineGenerator(self._fine, bark).generate(fill, coarse, FineRun())
        decode = CodecGenerator(self._codec_batches, self._first_frames, bark.sample_rate)
        return decode.generate(fine, 0, CodecRun())


class Theirs:
    """The same work by transformers' own generate methods."""

    def __init__(self, folder: Path, work: Work) -> None:
        self._model = reference(folder)
        config = self._model.generation_config
        self._semantic = BarkSemanticGenerationConfig(**config.semantic_config)
        self._coarse = BarkCoarseGenerationConfig(**config.coarse_acoustics_config)
        self._fine = BarkFineGenerationConfig(**config.fine_acoustics_config)
        self._work = work

    async def semantic(self) -> None:
        """One stream of work.tokens tokens."""
        text = torch.arange(256)[None] % 20
        self._model.semantic.generate(
            text, self._semantic, do_sample=False, max_new_tokens=self._work.tokens
        )

    async def coarse(self) -> None:
        """One utterance of work.seconds, without a voice."""
        tokens = [(7 * i) % 10_000 for i in range(self._work.semantic_for_coarse)]
        self._model.coarse_acoustics.generate(
            torch.tensor([tokens]), self._semantic, self._coarse, do_sample=False
        )

    async def fine(self) -> None:
        """One utterance of work.seconds."""
        codes = torch.arange(2 * self._work.frames) % 1024
        codes = codes.view(1, -1, 2) + torch.tensor([10_000, 11_024])
        self._model.fine_acoustics.generate(
            codes.view(1, -1), self._semantic, self._coarse, self._fine, temperature=None
        )

    async def codec(self) -> None:
        """One utterance of work.seconds."""
        codes = torch.arange(8 * self._work.frames).view(-1, 8) % 1024
        with torch.no_grad():
            self._model.codec_decode(codes.T[None])

    async def whole(self) -> None:
        """One utterance of work.seconds: all four in turn, as BarkModel.generate does."""
        for part in (self.semantic, self.coarse, self.fine, self.codec):
            await part()


class Apart:
    """Theirs in a process of its own, so that neither side's threads are in the other's way.

    A method of Theirs by name is a coroutine function here.
    """

    def __init__(self, folder: Path, work: Work) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, other = context.Pipe()
        self._process = context.Process(target=_serve, args=(other, folder, work), daemon=True)
        self._process.start()
        self._pipe.recv()  # it is there

    def part(self, name: str) -> Callable[[], Awaitable[None]]:
        """What runs one part."""

        async def run() -> None:
            self._pipe.send(name)
            await asyncio.to_thread(self._pipe.recv)

        return run


def _serve(pipe: Connection, folder: Path, work: Work) -> None:
    theirs = Theirs(folder, work)
    pipe.send("ready")
    with suppress(EOFError):  # the other side has gone
        while True:
            asyncio.run(getattr(theirs, pipe.recv())())
            pipe.send("done")


async def _tokens(steps: AsyncIterator[SemanticStep]) -> AsyncIterator[list[int]]:
    async for step in steps:
        yield step.tokens


async def _once(item: Any) -> AsyncIterator[Any]:
    yield item


async def compare(
    ours: Callable[[], Awaitable[None]], theirs: Callable[[], Awaitable[None]], pairs: int
) -> dict[str, float]:
    """Median seconds of both and the median of the pairs' ratios theirs / ours."""
    times = [(await _timed(theirs), await _timed(ours)) for _ in range(pairs)]
    return {
        "transformers_s": round(statistics.median(a for a, _ in times), 3),
        "barkserve_s": round(statistics.median(b for _, b in times), 3),
        "ratio": round(statistics.median(a / b for a, b in times), 2),
        "ratio_min": round(min(a / b for a, b in times), 2),
        "ratio_max": round(max(a / b for a, b in times), 2),
    }


async def _timed(run: Callable[[], Awaitable[None]]) -> float:
    started = time.perf_counter()
    await run()
    return time.perf_counter() - started


@asynccontextmanager
async def started(folder: Path, work: Work) -> AsyncIterator[Ours]:
    """Ours, new for each stage, as each stage has a process of its own."""
    ours = Ours(folder, work)
    await ours.start()
    try:
        yield ours
    finally:
        await ours.stop()


async def measure(folder: Path, work: Work, pairs: int, only: list[str]) -> Results:
    """The comparisons that were asked for, by name."""
    theirs = Apart(folder, work)
    names = {
        "semantic": f"semantic, {work.tokens} tokens",
        "coarse": f"coarse, {work.seconds:g} s of audio, no voice",
        "fine": f"fine, {work.seconds:g} s of audio, EXACT",
        "codec": f"codec, {work.seconds:g} s of audio",
    }
    results: Results = {}
    for stage, name in names.items():
        if stage in only:
            async with started(folder, work) as ours:
                results[name] = await compare(getattr(ours, stage), theirs.part(stage), pairs)
            _say(f"{name}: {results[name]}")
    if "chain" in only:
        async with started(folder, work) as ours:
            whole = await first_audio(ours, theirs.part("whole"), pairs)
        results[f"first audio of {work.seconds:g} s, STREAMING"] = whole
    return results


async def first_audio(
    ours: Ours, theirs: Callable[[], Awaitable[None]], pairs: int
) -> dict[str, float]:
    """Median seconds to our first audio and to transformers' whole generation."""
    times = []
    for _ in range(pairs):
        whole = await _timed(theirs)
        started = time.perf_counter()
        first = await ours.whole()
        times.append((whole, first, time.perf_counter() - started))
    return {
        "transformers_s": round(statistics.median(whole for whole, _, _ in times), 3),
        "barkserve_s": round(statistics.median(first for _, first, _ in times), 3),
        "ratio": round(statistics.median(whole / first for whole, first, _ in times), 2),
        "barkserve_whole_s": round(statistics.median(total for _, _, total in times), 3),
    }


def main() -> None:
    """Build the checkpoint, measure, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shape", choices=SHAPES, default="small")
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--tokens", type=int, default=250)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    torch.set_num_threads(1)  # as in a stage: only the network's own thread has a team of threads
    work = Work(given.tokens, given.seconds)
    with tempfile.TemporaryDirectory() as folder:
        _say(f"building a random checkpoint of bark-{given.shape}'s shapes ...")
        build_checkpoint(Path(folder), spec_of(given.shape))
        results = asyncio.run(measure(Path(folder), work, given.pairs, given.only))
    write_report(given.out, {"shape": given.shape, "results": results})


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
