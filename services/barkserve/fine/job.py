"""One window for the fine model to fill: what travels between the generator and the filler. Knows
no torch.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class FillJob:
    """One window to fill.

    Attributes:
        codes: (T, codebooks) int64, unknown codes = codebook_size.
        fill_from: first frame of the window whose codes are decided.
        temperature: how codes are drawn; None takes the most likely ones.
        uniforms: (T, codebooks) float32, one draw a code.
    """

    codes: NDArray[np.int64]
    fill_from: int
    temperature: float | None
    uniforms: NDArray[np.float32]
