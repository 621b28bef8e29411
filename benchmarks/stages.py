"""Each stage alone, ours beside transformers', on one random checkpoint of Bark's real shapes, in
one process.

    python -m benchmarks.stages --shape small --pairs 3 --out benchmarks/results/stages-cpu.json

Runs the two in turn, A B A B, so that a machine whose speed drifts is fair to both, and reports the
median of the pairs' ratios. Knows no gRPC: what a network costs is measured here, what a stream
costs by `barkclient bench`.
"""

import argparse
import asyncio
import json
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from transformers.models.bark.generation_configuration_bark import (
    BarkCoarseGenerationConfig,
    BarkFineGenerationConfig,
    BarkSemanticGenerationConfig,
)

from barkserve.coarse.generator import CoarseGenerator, CoarseRequest, CoarseRun, coarse_heads
from barkserve.coarse.windows import no_history
from barkserve.codec.decoder import DecodeJob, Decoder
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
    semantic_head,
)
from tests.checkpoints import SUNO_SHAPED, build_checkpoint, never_ending, reference

SHAPES = {"small": (12, 12, 768), "large": (24, 16, 1024)}
GREEDY = SamplingParams(greedy=True)
NOTHING = np.empty(0, dtype=np.int64)


@dataclass(frozen=True)
class Work:
    """How much each stage has to do.

    Attributes:
        tokens: semantic tokens of one stream.
        seconds: audio of one coarse, fine and codec utterance.
        streams: how many streams the batched semantic run has.
    """

    tokens: int
    seconds: float
    streams: int

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
        self._semantic = Engine(
            ModelRunner(load_semantic(checkpoint, placement), heads, work.streams)
        )
        coarse = ModelRunner(load_coarse(checkpoint, placement), coarse_heads(bark), 2)
        self._coarse = Engine(coarse)
        filler = Filler(load_fine(checkpoint, placement), 2, 8, bark.codebook_size)
        self._fine = Batcher(filler.fill, 1)
        self._codec = Decoder(load_codec(checkpoint, placement))

    async def start(self) -> None:
        """Start the loops."""
        for part in (self._semantic, self._coarse, self._fine):
            await part.start()

    async def stop(self) -> None:
        """Stop the loops."""
        for part in (self._semantic, self._coarse, self._fine):
            await part.stop()

    async def semantic(self, streams: int = 1) -> None:
        """So many streams of work.tokens tokens at once."""
        await asyncio.gather(*(self._speak(stream) for stream in range(streams)))

    async def _speak(self, stream: int) -> None:
        generator = SemanticGenerator(self._semantic, self._bark)
        offset = self._bark.semantic_generation.text_encoding_offset
        ids = np.arange(20, dtype=np.int64) + offset + stream
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
            state = self._codec.decode([DecodeJob(codes[start : start + 75], state)])[0].state


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


async def measure(folder: Path, work: Work, pairs: int) -> dict[str, dict[str, float]]:
    """All comparisons, by name."""
    ours, theirs = Ours(folder, work), Theirs(folder, work)
    await ours.start()
    try:
        results = {}
        for name, mine, other in (
            (f"semantic, {work.tokens} tokens", ours.semantic, theirs.semantic),
            (f"coarse, {work.seconds:g} s of audio, no voice", ours.coarse, theirs.coarse),
            (f"fine, {work.seconds:g} s of audio, EXACT", ours.fine, theirs.fine),
            (f"codec, {work.seconds:g} s of audio", ours.codec, theirs.codec),
        ):
            results[name] = await compare(mine, other, pairs)
            _say(f"{name}: {results[name]}")
        name = f"semantic, {work.streams} streams at once against one by one"
        one, many = await _timed(ours.semantic), await _timed(lambda: ours.semantic(work.streams))
        results[name] = {"ratio": round(one * work.streams / many, 2)}
        _say(f"{name}: {results[name]}")
        return results
    finally:
        await ours.stop()


def main() -> None:
    """Build the checkpoint, measure, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shape", choices=SHAPES, default="small")
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--tokens", type=int, default=250)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--streams", type=int, default=8)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    layers, heads, hidden = SHAPES[given.shape]
    spec = replace(never_ending(SUNO_SHAPED), layers=layers, heads=heads, hidden=hidden)
    spec = replace(spec, num_filters=32, codec_hidden=128)
    work = Work(given.tokens, given.seconds, given.streams)
    with tempfile.TemporaryDirectory() as folder:
        _say(f"building a random checkpoint of bark-{given.shape}'s shapes ...")
        build_checkpoint(Path(folder), spec)
        results = asyncio.run(measure(Path(folder), work, given.pairs))
    report = {"shape": given.shape, "machine": _machine(), "results": results}
    text = json.dumps(report, indent=2)
    print(text)
    if given.out:
        given.out.parent.mkdir(parents=True, exist_ok=True)
        given.out.write_text(text + "\n")


def _machine() -> dict[str, object]:
    return {
        "processor": _processor(),
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
    }


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    names = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
