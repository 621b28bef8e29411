"""Measure the accuracy of word times: from attention, from an even pace, from an audio aligner.

    python -m benchmarks.quality.word_times --sentences 112 --out benchmarks/results/word-times.json

bark-mini's semantic tokens are thirds of phones, so its own tokens give the true time of each
phone. Its teacher, flite, gives the word of each phone. The phones of both are aligned by edit
distance. Needs libflite and pocketsphinx (training/requirements.txt).
"""

import argparse
import asyncio
import json
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from pocketsphinx import Decoder as Sphinx

from barkserve.checkpoint.bark_config import AlignmentHead
from barkserve.checkpoint.folder import bundled_checkpoint
from barkserve.checkpoint.tensors import Checkpoint
from barkserve.checkpoint.voices import VoiceLibrary
from barkserve.engine.request import Request, SamplingParams, Watch
from barkserve.orchestrator.text.word_timer import TimedWord, WordTimer
from barkserve.orchestrator.text.words import Word, find_words
from barkserve.semantic.alignment import TokenAlignment
from barkserve.semantic.alignment_head import choose_head
from barkserve.semantic.prompt import append_produced, build_prompt
from barkserve.semantic.text import TextEncoder
from benchmarks.quality.flite import Flite, phone_runs
from benchmarks.quality.lookahead import Speaker
from training.config import SEMANTIC_RATE
from training.data.texts import HELD_OUT
from training.train.semantic import GUIDES

CALIBRATION = 6  # sentences for choosing a head; they are not measured
MS_PER_TOKEN = 1000 / SEMANTIC_RATE
Times = NDArray[np.float64]
"""(words, 2): start and end in ms, NaN where unknown."""


@dataclass(frozen=True)
class Spoken:
    """One sentence spoken by bark-mini.

    Attributes:
        text: the sentence.
        words: the words of the text.
        truth: the true times of the words.
        tokens: number of semantic tokens.
        characters: (ids,), the offset in the text of each text id.
        attention: (heads of all layers, tokens + 1, ids).
        samples: float32 audio at 24 kHz; empty if not needed.
    """

    text: str
    words: list[Word]
    truth: Times
    tokens: int
    characters: NDArray[np.int64]
    attention: NDArray[np.float32]
    samples: NDArray[np.float32]


def align(spoken: list[int], taught: list[int]) -> list[int]:
    """Return for each spoken phone the index of its taught phone, by least edits; -1 for none."""
    table = np.zeros((len(spoken) + 1, len(taught) + 1))
    table[:, 0], table[0] = range(len(spoken) + 1), range(len(taught) + 1)
    for i, one in enumerate(spoken):
        for j, other in enumerate(taught):
            best = min(table[i, j] + (one != other), table[i, j + 1] + 1, table[i + 1, j] + 1)
            table[i + 1, j + 1] = best
    partners, i, j = [-1] * len(spoken), len(spoken), len(taught)
    while i and j:
        if table[i, j] == table[i - 1, j - 1] + (spoken[i - 1] != taught[j - 1]):
            i, j = i - 1, j - 1
            partners[i] = j
        elif table[i, j] == table[i - 1, j] + 1:
            i -= 1
        else:
            j -= 1
    return partners


def true_times(flite: Flite, text: str, tokens: NDArray[np.int64], words: int) -> Times:
    """Return the true start and end of each word, from tokens that are thirds of phones."""
    taught, numbers = flite.words(text)
    phones, runs = phone_runs(tokens)
    word_of = [numbers[at] if at >= 0 else -1 for at in align(phones.tolist(), taught)]
    times = np.full((words, 2), np.nan)
    for word in range(words):
        inside = np.flatnonzero(np.isin(runs, np.flatnonzero(np.array(word_of) == word)))
        if len(inside):
            times[word] = inside[0] * MS_PER_TOKEN, (inside[-1] + 1) * MS_PER_TOKEN
    return times


class Recorder:
    """Speaks sentences with bark-mini and records attention and true word times."""

    def __init__(self, checkpoint: Checkpoint, speaker: Speaker) -> None:
        self._speaker = speaker
        self._bark = checkpoint.bark
        self._encoder = TextEncoder(checkpoint)
        self._flite = Flite()

    async def speak(self, text: str, seed: int, audio: bool) -> Spoken:
        """Speak one sentence; `audio` says whether to decode its audio too."""
        ids, words = self._encoder.encode(text), find_words(text)
        tokens = np.array(await self._speaker.tokens(text, seed))
        samples = np.empty(0, dtype=np.float32)
        if audio:
            frames = await self._speaker.frames(text, seed)
            samples = self._speaker.samples(await self._speaker.fill(frames, None))
        truth = true_times(self._flite, text, tokens, len(words))
        attention = await self._attention(ids, tokens)
        characters = self._encoder.locate(text)
        return Spoken(text, words, truth, len(tokens), characters, attention, samples)

    async def _attention(
        self, ids: NDArray[np.int64], tokens: NDArray[np.int64]
    ) -> NDArray[np.float32]:
        model, generation = self._bark.semantic, self._bark.semantic_generation
        prompt = build_prompt(ids, self._speaker.voice.semantic_prompt.astype(np.int64), generation)
        layers, heads = range(model.num_layers), range(model.num_heads)
        every = tuple((layer, head) for layer in layers for head in heads)
        request = Request(
            append_produced(prompt, tokens),
            1,
            SamplingParams(greedy=True),
            np.zeros(1, dtype=np.float32),
            watch=Watch(every, len(prompt) - 1, len(ids)),
        )
        async for _ in self._speaker.semantic.generate(request):
            pass
        return request.attention[0]


def by_attention(spoken: Spoken, head: AlignmentHead, heads: int) -> Times:
    """Return the times that barkserve finds with one attention head."""
    width = len(spoken.characters)
    alignment = TokenAlignment(width, head.lag, width - 1, 0, spoken.tokens)
    row = head.layer * heads + head.head
    alignment.add_attention([spoken.attention[row : row + 1]])
    alignment.push(spoken.tokens)
    return _times(spoken, alignment.rest())


def by_even_pace(spoken: Spoken) -> Times:
    """Return the times if every letter took equally long."""
    share = (np.arange(spoken.tokens) + 0.5) / spoken.tokens
    return _times(spoken, (share * len(spoken.characters)).astype(int).tolist())


def _times(spoken: Spoken, places: list[int]) -> Times:
    timer = WordTimer(spoken.words)
    timed = timer.push(spoken.characters[places].tolist()) + timer.rest()
    return _table(spoken.words, timed)


def _table(words: list[Word], timed: Iterable[TimedWord]) -> Times:
    times = np.full((len(words), 2), np.nan)
    for each in timed:
        times[words.index(each.word)] = each.first_token, each.end_token
    return times * MS_PER_TOKEN


class AudioAligner:
    """pocketsphinx as a forced aligner: it gets the text and the audio."""

    def __init__(self) -> None:
        self._decoder = Sphinx(loglevel="FATAL")

    def __call__(self, spoken: Spoken) -> Times:
        """Return the times; all NaN if a word is not in its dictionary or the alignment fails."""
        times = np.full((len(spoken.words), 2), np.nan)
        said = [word.text.lower() for word in spoken.words]
        if not len(spoken.samples) or any(self._decoder.lookup_word(word) is None for word in said):
            return times
        self._decoder.set_align_text(" ".join(said))
        spectrum = np.fft.rfft(spoken.samples)
        length = len(spoken.samples) * 2 // 3
        low = np.fft.irfft(spectrum[: length // 2 + 1], length) * 2 / 3  # 16 kHz
        self._decoder.start_utt()
        self._decoder.process_raw(
            (low.clip(-1, 1) * 32767).astype(np.int16).tobytes(), full_utt=True
        )
        self._decoder.end_utt()
        found = [s for s in self._decoder.seg() or () if s.word[0] not in "<["]
        if len(found) == len(said):
            times[:] = [(s.start_frame * 10, (s.end_frame + 1) * 10) for s in found]
        return times


def figures(pairs: Iterable[tuple[Times, Times]]) -> dict[str, float]:
    """Return statistics of the errors, in ms, over pairs of (found, true) times."""
    found, true = (np.concatenate(each) for each in zip(*pairs, strict=True))
    known = ~np.isnan(true[:, 0])
    error = (found - true)[known & ~np.isnan(found[:, 0])]
    result: dict[str, float] = {
        "words": len(error),
        "not_found": int(known.sum() - len(error)),
        "within_50_ms": round(float((np.abs(error) <= 50).mean()), 3),
    }
    for name, column in (("start", error[:, 0]), ("end", error[:, 1])):
        result[f"{name}_median_ms"] = round(float(np.median(np.abs(column))), 1)
        result[f"{name}_mean_ms"] = round(float(np.abs(column).mean()), 1)
        result[f"{name}_p90_ms"] = round(float(np.percentile(np.abs(column), 90)), 1)
        result[f"{name}_bias_ms"] = round(float(np.median(column)), 1)
    return result


def compare(spoken: list[Spoken], checkpoint: Checkpoint) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the name and the statistics of each method, without the calibration sentences."""
    heads, named = checkpoint.bark.semantic.num_heads, checkpoint.bark.alignment_head
    calibration, rest = spoken[:CALIBRATION], spoken[CALIBRATION:]
    attention = [each.attention[:, : each.tokens] for each in calibration]
    unguided = [_without_guided(each, heads) for each in attention]
    candidates = {"named": named, "found": choose_head(attention, heads)}
    candidates["found among heads that were not guided"] = choose_head(unguided, heads)
    for name, head in candidates.items():
        if head is not None:
            pairs = [(by_attention(each, head, heads), each.truth) for each in rest]
            yield f"attention, head {name}", vars(head) | figures(pairs)
    yield "even pace", dict(figures((by_even_pace(each), each.truth) for each in rest))
    aligner, audible = AudioAligner(), [each for each in rest if len(each.samples)]
    yield "pocketsphinx on the audio", dict(figures((aligner(e), e.truth) for e in audible))


def _without_guided(attention: NDArray[np.float32], heads: int) -> NDArray[np.float32]:
    unguided = attention.copy()
    for layer, head, _ in GUIDES:
        unguided[layer * heads + head] = 1e-6
    return unguided


async def _run(checkpoint: Checkpoint, texts: list[str], audio: int) -> list[Spoken]:
    speaker = Speaker(checkpoint, VoiceLibrary(checkpoint).get("v2/rms"))
    recorder, parts = (
        Recorder(checkpoint, speaker),
        (speaker.semantic, speaker.coarse, speaker.fine),
    )
    for part in parts:
        await part.start()
    try:
        spoken = []
        for number, text in enumerate(texts):
            print(f"[{number + 1}/{len(texts)}] {text}", file=sys.stderr, flush=True)
            wanted = CALIBRATION <= number < CALIBRATION + audio
            spoken.append(await recorder.speak(text, number, wanted))
        return spoken
    finally:
        for part in parts:
            await part.stop()


def main() -> None:
    """Run the benchmark from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sentences", type=int, default=112)
    parser.add_argument(
        "--audio", type=int, default=40, help="number of sentences aligned by their audio"
    )
    parser.add_argument("--out", type=Path, default=Path("word-times.json"))
    given = parser.parse_args()
    torch.set_num_threads(1)
    checkpoint = Checkpoint.open(bundled_checkpoint())
    texts = HELD_OUT.read_text().splitlines()[: given.sentences]
    spoken = asyncio.run(_run(checkpoint, texts, given.audio))
    report = dict(compare(spoken, checkpoint))
    given.out.parent.mkdir(parents=True, exist_ok=True)
    given.out.write_text(json.dumps(report, indent=2) + "\n")
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
