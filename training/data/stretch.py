"""Say an utterance at another pace, in tokens: phones longer and shorter, codes to match.

Without it the coarse model learns to tell speakers by how long their phones are, and forsakes the
history's voice when the semantic model times a sentence like someone else. Knows no model.
"""

import numpy as np
from numpy.typing import NDArray

from training.config import FRAME_RATE, SEMANTIC_RATE, PitchClock
from training.data.alignment import phone_runs
from training.data.corpus import Spoken

STRONGEST = 0.6  # log of the largest change of a phone's length
FRAMES_A_TOKEN = FRAME_RATE / SEMANTIC_RATE


def clock_again(codes: NDArray[np.int64], clock: PitchClock) -> NDArray[np.int64]:
    """Codebook 1 with the same steps, its phases made to follow from them."""
    spoken = codes > 0
    step = np.where(spoken, (codes - 1) // clock.phases, 0)
    advance = np.where(spoken, step + clock.first_step, 0)
    passed = np.cumsum(advance) - advance
    begins = spoken & ~np.concatenate(([False], spoken[:-1]))
    begin = np.maximum.accumulate(np.where(begins, np.arange(len(codes)), 0))
    phase = (passed - passed[begin] + (codes[begin] - 1)) % clock.phases
    return np.where(spoken, 1 + step * clock.phases + phase, 0)


def stretched(spoken: Spoken, random: np.random.Generator) -> Spoken:
    """`spoken` with every phone's length changed at random."""
    phones, index = phone_runs(spoken.semantic)
    factors = np.exp(random.uniform(-STRONGEST, STRONGEST, len(phones)))
    ends = np.concatenate(([0.0], np.cumsum(factors[index])))
    tokens = np.searchsorted(ends, np.arange(int(ends[-1])) + 0.5, side="right") - 1
    times = (np.arange(int(len(tokens) * FRAMES_A_TOKEN)) + 0.5) / FRAMES_A_TOKEN
    old = np.interp(times, ends, np.arange(len(ends))) * FRAMES_A_TOKEN
    codes = spoken.codes[np.minimum(old.astype(np.int64), len(spoken.codes) - 1)]
    codes[:, 1] = clock_again(codes[:, 1], PitchClock())
    return Spoken(spoken.text, spoken.semantic[tokens], codes)
