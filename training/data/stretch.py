"""Augmentation: change the length of phones at random, in tokens and codes.

Without it the coarse model learns to recognize speakers by the length of their phones. It then
loses the history's voice when the semantic model times a sentence like another speaker.
"""

import numpy as np
from numpy.typing import NDArray

from training.config import FRAME_RATE, SEMANTIC_RATE, PitchClock
from training.data.alignment import phone_runs
from training.data.corpus import Spoken

STRONGEST = 0.6  # log of the largest change of a phone's length
FRAMES_PER_TOKEN = FRAME_RATE / SEMANTIC_RATE


def clock_again(codes: NDArray[np.int64], clock: PitchClock) -> NDArray[np.int64]:
    """Return codebook 1 with the same steps and recomputed phases."""
    spoken = codes > 0
    step = np.where(spoken, (codes - 1) // clock.phases, 0)
    advance = np.where(spoken, step + clock.first_step, 0)
    passed = np.cumsum(advance) - advance
    begins = spoken & ~np.concatenate(([False], spoken[:-1]))
    begin = np.maximum.accumulate(np.where(begins, np.arange(len(codes)), 0))
    phase = (passed - passed[begin] + (codes[begin] - 1)) % clock.phases
    return np.where(spoken, 1 + step * clock.phases + phase, 0)


def stretched(spoken: Spoken, random: np.random.Generator) -> Spoken:
    """Return `spoken` with the length of each phone changed at random."""
    phones, index = phone_runs(spoken.semantic)
    factors = np.exp(random.uniform(-STRONGEST, STRONGEST, len(phones)))
    ends = np.concatenate(([0.0], np.cumsum(factors[index])))
    tokens = np.searchsorted(ends, np.arange(int(ends[-1])) + 0.5, side="right") - 1
    times = (np.arange(int(len(tokens) * FRAMES_PER_TOKEN)) + 0.5) / FRAMES_PER_TOKEN
    old = np.interp(times, ends, np.arange(len(ends))) * FRAMES_PER_TOKEN
    codes = spoken.codes[np.minimum(old.astype(np.int64), len(spoken.codes) - 1)]
    codes[:, 1] = clock_again(codes[:, 1], PitchClock())
    return Spoken(spoken.text, spoken.semantic[tokens], codes)
