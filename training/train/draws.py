"""Draw codebook 0 of the teacher's speech from the coarse model, to train the codec on the draws.

A vocoder that only knows the teacher's codes makes the coarse model's errors audible. HiFi-GAN is
fine-tuned on predicted spectrograms for the same reason (Kong et al. 2020). The pitch clock
remains the teacher's, so the pulses still agree with the audio. Only the default speaker is drawn:
without a history, the coarse model speaks with that voice.

All codes are drawn at once, given the codes of the previous round, with the same random numbers in
all rounds. Such rounds converge to the codes that would be drawn one after the other (Jacobi
decoding, Song et al. 2021), and since a code depends mostly on the last few, some rounds suffice.
"""

import argparse
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from training.config import (
    CODEBOOK_SIZE,
    SPEAKERS,
    CoarseLayout,
    CoarseSampling,
    Work,
    shard_speaker,
)
from training.data.shards import load_shard, save_shard
from training.data.windows import Stream, Tokens, Utterance, flat_codes, stream
from training.models.transformer import CausalTransformer
from training.train.coarse import new_model

ROUNDS = 5
BATCH = 12  # windows at a time
FIRST = 3  # windows before it have the same semantic tokens, and fewer codes
SKIPPED = 3  # of the windows that follow: each window has the codes of several
WARM = 56  # first codes of a window, which know too little of the past


@dataclass(frozen=True)
class Part:
    """A window of an utterance whose codes are drawn at once."""

    utterance: int
    semantic: Tokens
    begin: int  # of its codes in the utterance
    drawn: int  # first code that is drawn
    end: int


def parts(index: int, cut: Stream, layout: CoarseLayout) -> list[Part]:
    """Return the windows that cover an utterance without a history."""
    last = cut.windows(layout) - 1
    result: list[Part] = []
    for place in [*range(min(FIRST, last), last, SKIPPED), last]:
        window = cut.window(place, layout)
        end = place * layout.stride + len(window.target)
        begin = end - len(window.target) - len(window.context)
        drawn = result[-1].end if result else 0
        assert begin == 0 or begin + WARM <= drawn
        result.append(Part(index, window.semantic, begin, drawn, end))
    return result


def gumbel(frames: int, seed: int) -> torch.Tensor:
    """Return Gumbel noise, (frames, 1024): the argmax of log-probabilities plus it is a draw."""
    uniform = torch.rand(frames, CODEBOOK_SIZE, generator=torch.Generator().manual_seed(seed))
    return -(-uniform.clamp(min=1e-9).log()).log()


def draws(logits: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
    """Draw one of the likely codes per row of logits, (n, 1024), with Gumbel noise."""
    sampling = CoarseSampling()
    least = logits.topk(sampling.top_k).values[:, -1:]
    likely = logits.masked_fill(logits < least, float("-inf"))
    return (likely / sampling.temperature + noise).argmax(1)


class CoarseDraws:
    """Draws codes with a coarse model."""

    def __init__(self, model: CausalTransformer, layout: CoarseLayout, seed: int) -> None:
        self._model, self._layout, self._seed = model, layout, seed

    @torch.no_grad()
    def utterances(self, streams: list[Stream]) -> list[Tokens]:
        """Return the coarse tokens of utterances without histories; codebook 1 stays as it is."""
        every = [part for at, cut in enumerate(streams) for part in parts(at, cut, self._layout)]
        every.sort(key=lambda part: part.end - part.begin)
        noise = [gumbel(len(cut.coarse) // 2, self._seed + at) for at, cut in enumerate(streams)]
        codes = [cut.coarse.copy() for cut in streams]
        for _ in range(ROUNDS):
            fresh = [one.copy() for one in codes]
            for first in range(0, len(every), BATCH):
                some = every[first : first + BATCH]
                for part, logits in zip(some, self._logits(some, codes), strict=True):
                    random = noise[part.utterance][part.drawn // 2 : part.end // 2]
                    made = draws(logits[(part.drawn - part.begin) // 2 :], random)
                    made += self._layout.semantic_vocab
                    fresh[part.utterance][part.drawn : part.end : 2] = made.numpy()
            codes = fresh
        return codes

    def _logits(self, some: list[Part], codes: list[Tokens]) -> list[torch.Tensor]:
        """Return the logits of codebook 0 at each frame of windows, (frames, 1024) each."""
        longest = max(part.end - part.begin for part in some)
        rows = []
        for part in some:
            seen = codes[part.utterance][part.begin : part.end - 1]
            row = np.concatenate((part.semantic, [self._layout.infer], seen))
            rows.append(np.pad(row, (0, longest - len(seen) - 1)))
        ids = torch.from_numpy(np.stack(rows))
        hidden, _ = self._model(self._model.input_embeds_layer(ids), torch.arange(ids.shape[1]))
        first = self._layout.semantic_vocab
        head = self._model.lm_head.weight[first : first + CODEBOOK_SIZE]
        logits = hidden[:, self._layout.semantic_window :: 2] @ head.T
        return [row[: (part.end - part.begin) // 2] for row, part in zip(logits, some, strict=True)]


def _codes(tokens: Tokens, layout: CoarseLayout) -> NDArray[np.int16]:
    """Return coarse tokens as codes, (frames, 2)."""
    codes: Tokens = tokens.reshape(-1, 2) - np.array([0, CODEBOOK_SIZE]) - layout.semantic_vocab
    return codes.astype(np.int16)


def draw_shard(work: Work, index: int) -> str:
    """Write the draws for a shard of codes, unless they exist; return a line for the log."""
    path, layout = work.shard("draws", index), CoarseLayout()
    if path.exists():
        return f"{path.name} exists"
    torch.set_num_threads(1)
    model = new_model(layout)
    state = torch.load(work.checkpoint("coarse"), weights_only=True)["model"]
    model.load_state_dict(state)
    shard = load_shard(work.shard("codes", index))
    cut = [
        stream(Utterance(semantic.astype(np.int64), flat_codes(codes, layout)), None, layout)
        for semantic, codes in zip(shard["semantic"], shard["codes"], strict=True)
    ]
    result: list[NDArray[np.generic]] = [codes.copy() for codes in shard["codes"]]
    changed, total = 0, 0
    drawn = CoarseDraws(model, layout, seed=1000 * index).utterances(cut)
    for place, tokens in enumerate(drawn):
        codes = _codes(tokens, layout)
        changed += int((codes[:, 0] != result[place][: len(codes), 0]).sum())
        total += len(codes)
        result[place][: len(codes)] = codes
    save_shard(path, codes=result)
    return f"{path.name} {changed / total:.0%} of the codes differ from the teacher's"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, default=Work().root)
    parser.add_argument("--shards", type=int, default=12, help="number of shards")
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args()
    work = Work(options.work)
    every = [int(path.stem) for path in work.shards("codes")]
    indices = [index for index in every if shard_speaker(index) == SPEAKERS[0]][: options.shards]
    with get_context("spawn").Pool(options.processes) as pool:
        for line in pool.imap(partial(draw_shard, work), indices):
            print(line, flush=True)


if __name__ == "__main__":
    main()
