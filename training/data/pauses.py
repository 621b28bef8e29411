"""Every speaker pauses in semantic tokens of their own, so that a history says who speaks.

A semantic model of this size does not tell speakers by how long their phones are: given slt's
history it timed sentences like rms. All utterances end and begin with a pause, its own too. To the
coarse model, which hears in the codes who speaks, all pauses are one. Knows no model.
"""

import numpy as np
from numpy.typing import NDArray

from training.config import PHONES, SPEAKERS, THIRDS

PAUSE = PHONES.index("pau")
# The default speaker's pause is the phone itself, the others' are phones that do not exist.
PAUSES = {
    speaker.name: len(PHONES) + index - 1 if index else PAUSE
    for index, speaker in enumerate(SPEAKERS)
}


def marked(semantic: NDArray[np.int64], speaker: str) -> NDArray[np.int64]:
    """`semantic` with every pause, whosever it was, as `speaker` makes it."""
    plain = unmarked(semantic)
    pause = plain // THIRDS == PAUSE
    return np.where(pause, plain + (PAUSES[speaker] - PAUSE) * THIRDS, plain)


def unmarked(semantic: NDArray[np.int64]) -> NDArray[np.int64]:
    """`semantic` with every pause as the phone that it is."""
    mark = semantic // THIRDS >= len(PHONES)
    return np.where(mark, semantic % THIRDS + PAUSE * THIRDS, semantic)
