"""Speaker-specific pause tokens: a history tells the semantic model the speaker by its pauses.

A semantic model of this size does not recognize speakers by the length of their phones: with
slt's history it timed sentences like rms. Every utterance begins and ends with a pause. The coarse
model recognizes the speaker from the codes, so for it all pauses are the same token.
"""

import numpy as np
from numpy.typing import NDArray

from training.config import PHONES, SPEAKERS, THIRDS

PAUSE = PHONES.index("pau")
# The default speaker's pause is the phone itself; the others' are phones that do not exist.
PAUSES = {
    speaker.name: len(PHONES) + index - 1 if index else PAUSE
    for index, speaker in enumerate(SPEAKERS)
}


def marked(semantic: NDArray[np.int64], speaker: str) -> NDArray[np.int64]:
    """Return `semantic` with all pauses replaced by those of `speaker`."""
    plain = unmarked(semantic)
    pause = plain // THIRDS == PAUSE
    return np.where(pause, plain + (PAUSES[speaker] - PAUSE) * THIRDS, plain)


def unmarked(semantic: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return `semantic` with all pauses replaced by the plain pause phone."""
    mark = semantic // THIRDS >= len(PHONES)
    return np.where(mark, semantic % THIRDS + PAUSE * THIRDS, semantic)
