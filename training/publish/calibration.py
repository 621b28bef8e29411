"""Make the fine model's choices worth hearing: codebooks re-centred on what they turn out to mean.

What codebook 0 leaves over can be foretold only in part, and the likeliest code is then a worse
guess than none. So each vector of codebooks 2 and 3 becomes the mean of what was true wherever the
fine model chose it. Knows the trained fine model and codec; trains nothing.
"""

import numpy as np
import torch

from training.config import CODEBOOK_SIZE, CODEBOOKS, CodecSize, FineLayout
from training.data.corpus import Spoken
from training.models.transformer import FineTransformer

USED = FineLayout().residual_books


def chosen_codes(model: FineTransformer, codes: torch.Tensor) -> torch.Tensor:
    """Codes (frames, 2) of codebooks 2 and 3 that the model chooses for one window."""
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
    """New vectors (1024, hidden) for codebooks 2 and 3; `books` are the codec's vectors."""
    window, size = FineLayout().window, CodecSize().hidden
    pairs = [torch.from_numpy(np.array(one.codes[:window])) for one in spoken]
    chosen = torch.cat([chosen_codes(model, codes) for codes in pairs])
    true = torch.cat(pairs)
    rest = sum((books[book][true[:, book]] for book in range(2, 2 + USED)), torch.zeros(size))
    result = []
    for index in range(USED):
        sums = torch.zeros(CODEBOOK_SIZE, size).index_add_(0, chosen[:, index], rest)
        counts = torch.bincount(chosen[:, index], minlength=CODEBOOK_SIZE)[:, None]
        centres = sums / (counts + 20)  # rare choices are trusted less
        rest = rest - centres[chosen[:, index]]
        result.append(centres)
    return result
