"""Compare STREAMING with EXACT for several look-aheads: codes, log-mel distance, word accuracy.

    python -m benchmarks.quality.lookahead --sentences 20 --out benchmarks/results/lookahead

The fine model also reads frames to the right. A frame that is released with few frames to its
right may get other codes than offline. Semantic and coarse tokens are generated once per
sentence; only the fine stage differs.
"""

import argparse
import asyncio
import json
import sys
from collections.abc import AsyncIterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from barkserve.checkpoint.bark_config import SamplingDefaults
from barkserve.checkpoint.folder import bundled_checkpoint
from barkserve.checkpoint.tensors import Checkpoint
from barkserve.checkpoint.voices import Voice, VoiceLibrary
from barkserve.coarse.generator import CoarseGenerator, CoarseRequest, CoarseRun, coarse_heads
from barkserve.coarse.windows import cut_history
from barkserve.codec.decoder import Decoder
from barkserve.codec.job import DecodeJob
from barkserve.config.stages import FineOptions
from barkserve.engine.batcher import Batcher
from barkserve.engine.engine import Engine
from barkserve.engine.model_runner import ModelRunner
from barkserve.engine.request import SamplingParams
from barkserve.fine.chunk_planner import FIRST_FRAMES, ChunkPlanner
from barkserve.fine.filler import Filler
from barkserve.fine.generator import FineGenerator, FineRequest, FineRun
from barkserve.fine.windows import ChunkPlan
from barkserve.models.loading import Placement, load_coarse, load_codec, load_fine, load_semantic
from barkserve.semantic.alignment_head import AlignmentHeadFinder
from barkserve.semantic.generator import (
    SemanticGenerator,
    SemanticRequest,
    SemanticRun,
    semantic_head,
)
from barkserve.semantic.text import TextEncoder
from training.data.texts import HELD_OUT
from training.evaluate.recognizer import Recognizer
from training.evaluate.word_errors import edits, words

LOOKAHEADS = (0, 4, 8, 16, 32)
MAX_CHUNK_FRAMES = 128  # bark-mini's window
Codes = NDArray[np.int64]


def chunks(lookahead: int) -> ChunkPlan:
    """Return the chunks of `barkserve fine` with default options but for the look-ahead."""
    options = FineOptions()
    return ChunkPlanner(
        options.first_chunk_frames or FIRST_FRAMES,
        options.chunk_growth,
        options.max_chunk_frames,
        lookahead,
        MAX_CHUNK_FRAMES,
    ).plan


@dataclass(frozen=True)
class Difference:
    """Difference between STREAMING and EXACT for one look-ahead.

    Attributes:
        equal: share of equal codes, for each codebook after the coarse ones.
        log_mel_db: mean absolute difference of the audio's 80-band log-mel spectra, in dB.
        word_accuracy: 1 - word error rate of Whisper base.
    """

    equal: list[float]
    log_mel_db: float
    word_accuracy: float


@dataclass(frozen=True)
class Report:
    """Word accuracy of EXACT, and the difference of STREAMING for each look-ahead."""

    exact_word_accuracy: float
    lookahead: dict[int, Difference]


class Speaker:
    """The four stages of a checkpoint with one voice, without gRPC."""

    def __init__(self, checkpoint: Checkpoint, voice: Voice) -> None:
        placement = Placement.parse("cpu", "float32", "sdpa")
        bark = self.bark = checkpoint.bark
        self.voice = voice
        self._encoder = TextEncoder(checkpoint)
        heads = [semantic_head(bark)]
        self.semantic = Engine(ModelRunner(load_semantic(checkpoint, placement), heads, 1))
        coarse = ModelRunner(load_coarse(checkpoint, placement), coarse_heads(bark), 1)
        self.coarse = Engine(coarse)
        books = bark.fine_generation.n_fine_codebooks
        given = bark.coarse_generation.n_coarse_codebooks
        filler = Filler(load_fine(checkpoint, placement), given, books, bark.codebook_size)
        self.fine = Batcher(filler.fill, 1)
        self._decoder = Decoder(load_codec(checkpoint, placement))

    async def tokens(self, text: str, seed: int) -> list[int]:
        """Return the semantic tokens of a text."""
        nothing = np.empty(0, dtype=np.int64)
        heads = AlignmentHeadFinder(self.semantic, self.bark, self._encoder.encode)
        generator = SemanticGenerator(self.semantic, self.bark, heads)
        history = self.voice.semantic_prompt.astype(np.int64)
        request = SemanticRequest(
            self._encoder.encode(text),
            history,
            _params(self.bark.semantic_generation.sampling),
            seed,
            nothing,
            generator.max_tokens,
        )
        steps = generator.generate(request, SemanticRun())
        return [token async for step in steps for token in step.tokens]

    async def frames(self, text: str, seed: int) -> Codes:
        """Return the coarse codes of a text, (t, coarse codebooks)."""
        tokens = await self.tokens(text, seed)
        history = self.voice.semantic_prompt.astype(np.int64)
        coarse = CoarseGenerator(self.coarse, self.bark)
        voice = cut_history(history, self.voice.coarse_prompt.T.astype(np.int64), coarse.geometry)
        sampling = _params(self.bark.coarse_generation.sampling)
        produced = np.empty((0, coarse.geometry.codebooks), dtype=np.int64)
        coarse_request = CoarseRequest(voice, sampling, seed, produced)
        parts = coarse.generate(coarse_request, _once(tokens), CoarseRun())
        return np.concatenate([frames async for frames in parts])

    async def fill(self, frames: Codes, chunks: ChunkPlan | None) -> Codes:
        """Return all codes, (t, codebooks); EXACT if `chunks` is None."""
        history = self.voice.fine_prompt.T.astype(np.int64)
        temperature = self.bark.fine_generation.temperature
        greedy = self.bark.fine_generation.greedy
        produced = np.empty((0, history.shape[1]), dtype=np.int64)
        request = FineRequest(history, None if greedy else temperature, 0, chunks, produced)
        generator = FineGenerator(self.fine, self.bark)
        parts = generator.generate(request, _once(frames), FineRun())
        return np.concatenate([codes async for codes in parts])

    def samples(self, codes: Codes) -> NDArray[np.float32]:
        """Decode codes to audio, (samples,) float32."""
        return self._decoder.decode([DecodeJob(codes, None)])[0].samples


def log_mel(samples: torch.Tensor, rate: int, bands: int = 80) -> torch.Tensor:
    """Return the log-mel power in dB, (bands, time), with a floor of -80 dB.

    Uses 1024-point Hann windows, a hop of 256 and the HTK mel scale.
    """
    window = torch.hann_window(1024)
    power = torch.stft(samples, 1024, 256, window=window, return_complex=True).abs().square()
    edges = torch.linspace(0, 2595 * np.log10(1 + rate / 2 / 700), bands + 2)
    hertz = 700 * (10 ** (edges / 2595) - 1)
    bins = torch.linspace(0, rate / 2, 513)
    rise = (bins - hertz[:-2, None]) / (hertz[1:-1] - hertz[:-2])[:, None]
    fall = (hertz[2:, None] - bins) / (hertz[2:] - hertz[1:-1])[:, None]
    mel = torch.minimum(rise, fall).clamp(min=0) @ power
    return 10 * torch.log10(mel.clamp(min=1e-8))


@dataclass
class Tally:
    """Running sums for one look-ahead, or for EXACT."""

    equal: list[NDArray[Any]] = field(default_factory=list)
    distance: list[float] = field(default_factory=list)
    errors: int = 0

    def difference(self, said: int) -> Difference:
        """Return the means, over `said` words."""
        return Difference(
            equal=[round(float(x), 4) for x in np.concatenate(self.equal).mean(axis=0)],
            log_mel_db=round(float(np.mean(self.distance)), 3),
            word_accuracy=round(1 - self.errors / said, 4),
        )


async def measure(speaker: Speaker, texts: list[str]) -> Report:
    """Compare each look-ahead with EXACT over all texts."""
    recognize, exact_tally, said = Recognizer(), Tally(), 0
    tallies = {lookahead: Tally() for lookahead in LOOKAHEADS}
    rate = speaker.bark.sample_rate
    given = speaker.bark.coarse_generation.n_coarse_codebooks
    for number, text in enumerate(texts):
        print(f"[{number + 1}/{len(texts)}] {text}", file=sys.stderr, flush=True)
        frames = await speaker.frames(text, seed=number)
        exact = await speaker.fill(frames, None)
        audio = speaker.samples(exact)
        mel = log_mel(torch.from_numpy(audio), rate)
        said += len(words(text))
        exact_tally.errors += edits(words(text), words(recognize(audio)))
        for lookahead, tally in tallies.items():
            streamed = await speaker.fill(frames, chunks(lookahead))
            audio = speaker.samples(streamed)
            tally.equal.append((streamed == exact)[:, given:])
            difference = log_mel(torch.from_numpy(audio), rate) - mel
            tally.distance.append(float(difference.abs().mean()))
            tally.errors += edits(words(text), words(recognize(audio)))
    return Report(
        round(1 - exact_tally.errors / said, 4),
        {lookahead: tally.difference(said) for lookahead, tally in tallies.items()},
    )


def plot(report: Report, given: int, file: Path) -> None:
    """Plot equal codes, log-mel distance and word accuracy against the look-ahead."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, (left, middle, right) = pyplot.subplots(1, 3, figsize=(12, 3.5), layout="constrained")
    lookaheads, differences = list(report.lookahead), list(report.lookahead.values())
    for book, shares in enumerate(zip(*(d.equal for d in differences), strict=True)):
        left.plot(
            lookaheads, [100 * share for share in shares], marker="o", label=str(book + given)
        )
    left.set(xlabel="look-ahead (frames)", ylabel="codes equal to EXACT (%)")
    left.legend(title="codebook", fontsize="small")
    middle.plot(lookaheads, [d.log_mel_db for d in differences], marker="o", color="black")
    middle.set(
        xlabel="look-ahead (frames)", ylabel="log-mel distance to EXACT (dB)", ylim=(0, None)
    )
    right.plot(lookaheads, [100 * d.word_accuracy for d in differences], marker="o", color="black")
    right.axhline(100 * report.exact_word_accuracy, color="gray", linestyle="--", label="EXACT")
    right.set(xlabel="look-ahead (frames)", ylabel="word accuracy (%)", ylim=(50, 100))
    right.legend(fontsize="small")
    figure.savefig(file, dpi=90)


async def _run(checkpoint: Checkpoint, voice: Voice, texts: list[str]) -> Report:
    speaker = Speaker(checkpoint, voice)
    parts = (speaker.semantic, speaker.coarse, speaker.fine)
    for part in parts:
        await part.start()
    try:
        return await measure(speaker, texts)
    finally:
        for part in parts:
            await part.stop()


async def _once(item: Any) -> AsyncIterator[Any]:
    yield item


def _params(defaults: SamplingDefaults) -> SamplingParams:
    return SamplingParams(defaults.temperature, defaults.top_k, defaults.top_p, defaults.greedy)


def main() -> None:
    """Measure and write OUT.json and OUT.png."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--checkpoint", default=str(bundled_checkpoint()))
    parser.add_argument("--voice", default="v2/rms")
    parser.add_argument("--sentences", type=int, default=20)
    parser.add_argument("--out", type=Path, default=Path("lookahead"))
    given = parser.parse_args()
    torch.set_num_threads(1)
    checkpoint = Checkpoint.open(given.checkpoint)
    voice = VoiceLibrary(checkpoint).get(given.voice)
    texts = HELD_OUT.read_text().splitlines()[: given.sentences]
    report = asyncio.run(_run(checkpoint, voice, texts))
    given.out.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps({"voice": given.voice, "sentences": len(texts), **asdict(report)}, indent=2)
    given.out.with_suffix(".json").write_text(text + "\n")
    books = checkpoint.bark.coarse_generation.n_coarse_codebooks
    plot(report, books, given.out.with_suffix(".png"))
    print(text)


if __name__ == "__main__":
    main()
