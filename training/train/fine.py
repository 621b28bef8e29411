"""Train the fine model: codebooks 2 to 7 of a window from the lower ones, all frames at once.

They are always 0: the codec decodes codebooks 0 and 1 alone. Windows are padded, or begin with a
known history, as in the reference.
"""

import numpy as np
import torch
import torch.nn.functional as functional

from training.config import CODEBOOKS, FINE_SIZE, FineLayout
from training.data.corpus import Spoken, load_corpus
from training.models.pretrained import adopt
from training.models.transformer import FineTransformer
from training.train.loop import TrainOptions, parse_options, train

BATCH = 4
KNOWN_HISTORY = 0.5  # share of windows
IGNORED = -100


class FineSource:
    """Draws windows of all eight codebooks."""

    def __init__(self, every: dict[str, list[Spoken]], layout: FineLayout, seed: int) -> None:
        self._random = np.random.default_rng(seed)
        self._every, self._layout = list(every.values()), layout

    def _frames(self) -> np.ndarray[tuple[int, int], np.dtype[np.int64]]:
        """Return two utterances of one speaker, (frames, 8)."""
        spoken = self._every[self._random.integers(len(self._every))]
        pair = [spoken[self._random.integers(len(spoken))].codes for _ in range(2)]
        codes = np.concatenate(pair)
        return np.pad(codes, ((0, 0), (0, CODEBOOKS - codes.shape[1])))

    def batch(self, count: int, book: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the input (count, window, 8), with `book` and above unknown, and the targets."""
        layout, inputs, targets = self._layout, [], []
        for _ in range(count):
            codes = self._frames()
            begin = self._random.integers(max(1, len(codes) - layout.window // 3))
            codes = codes[begin : begin + layout.window]
            known = layout.history if self._random.random() < KNOWN_HISTORY else 0
            given = np.full((layout.window, CODEBOOKS), layout.pad)
            given[: len(codes), :book] = codes[:, :book]
            given[: min(known, len(codes))] = codes[:known]
            wanted = np.full(layout.window, IGNORED)
            wanted[known : len(codes)] = codes[known:, book]
            inputs.append(given)
            targets.append(wanted)
        return torch.from_numpy(np.stack(inputs)), torch.from_numpy(np.stack(targets))

    def book(self) -> int:
        """Draw the codebook to train."""
        return int(self._random.integers(2, CODEBOOKS))


def new_model(layout: FineLayout) -> FineTransformer:
    return FineTransformer(FINE_SIZE, layout.vocab, CODEBOOKS)


def run(options: TrainOptions) -> None:
    """Train on every encoded shard."""
    layout = FineLayout()
    corpus, model = load_corpus(options.work), new_model(layout)
    if options.start:
        adopt(model, options.start, "fine_acoustics")
    model.to(options.device)
    source = FineSource(corpus.train, layout, options.data_seed())
    held = FineSource(corpus.validation, layout, 1)
    checks = {book: held.batch(8, book) for book in range(2, CODEBOOKS)}

    def loss(book: int, batch: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
        codes, wanted = (part.to(options.device) for part in batch)
        logits = model(codes, book)
        return functional.cross_entropy(logits.flatten(0, 1), wanted.flatten())

    def step(_: int) -> dict[str, torch.Tensor]:
        book = source.book()
        return {"loss": loss(book, source.batch(BATCH * options.batch_scale, book))}

    @torch.no_grad()
    def validate() -> dict[str, float]:
        return {f"c{book}": loss(book, batch).item() for book, batch in checks.items()}

    train(options, model, step, validate)


def main() -> None:
    run(parse_options("fine", 2, 2e-3))


if __name__ == "__main__":
    main()
