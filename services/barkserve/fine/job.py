"""One window to fill: what the generator hands to the filler."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class FillJob:
    """One window to fill.

    Attributes:
        codes: (T, codebooks) int64, codebook_size where unknown.
        fill_from: first frame of the window to fill.
        temperature: divides the logits; None: greedy.
        uniforms: (T, codebooks) float32, one random number per code.
        exact: whether the codes must equal those of float32 weights.
    """

    codes: NDArray[np.int64]
    fill_from: int
    temperature: float | None
    uniforms: NDArray[np.float32]
    exact: bool = True
