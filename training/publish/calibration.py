"""Calibrate codebooks 2 and 3 to the choices of the fine model.

The residual of codebook 0 is only partly predictable, so the most likely code can be worse than
none. Each vector of codebooks 2 and 3 becomes the mean of the true residuals at the frames where
the fine model chooses it.
"""

import numpy as np
import torch

from training.config import CODEBOOK_SIZE, CODEBOOKS, CodecSize, FineLayout
from training.data.corpus import Spoken
from training.models.transformer import FineTransformer

USED = FineLayout().residual_books


def chosen_codes(model: FineTransformer, codes: torch.Tensor) -> torch.Tensor:
    """Return the codes (frames, 2) of codebooks 2 and 3 that the model chooses for a window."""
    layout = FineLayout()
    given = torch.full((1, layout.window, CODEBOOKS), layout.pad)
    given[0, : len(codes), :2] = codes[:, :2]
    for book in range(2, 2 + USED):
        given[0, :, book] = model(given, book)[0, :, :CODEBOOK_SIZE].argmax(1)
    return given[0, : len(codes), 2 : 2 + USED]


@torch.no_grad()
def calibrate(
    books: list[torch.Tensor], model: FineTransformer, spoken: list[Spoken]
) -> list[torch.Tensor]:
    """Return calibrated vectors (1024, hidden) of codebooks 2 and 3, given the codec's `books`."""
    window, size = FineLayout().window, CodecSize().hidden
    pairs = [torch.from_numpy(np.array(one.codes[:window])) for one in spoken]
    chosen = torch.cat([chosen_codes(model, codes) for codes in pairs])
    true = torch.cat(pairs)
    rest = sum((books[book][true[:, book]] for book in range(2, 2 + USED)), torch.zeros(size))
    result = []
    for index in range(USED):
        sums = torch.zeros(CODEBOOK_SIZE, size).index_add_(0, chosen[:, index], rest)
        counts = torch.bincount(chosen[:, index], minlength=CODEBOOK_SIZE)[:, None]
        centers = sums / (counts + 20)  # shrinks rare choices to zero
        rest = rest - centers[chosen[:, index]]
        result.append(centers)
    return result
