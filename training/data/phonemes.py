"""Phones and their times, from a teacher's phonemes and their durations.

Kokoro and hibari give each character of misaki's phoneme string a duration, also the marks of
stress and length, spaces and punctuation. Marks become part of their phone, spaces of both
neighbors, and punctuation becomes a pause.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.config import PAUSE, PHONES

STRESS = "ˈˌ"
LENGTH = "ː"
SAME = {"ɚ": "ə", "ɝ": "ɜ", "ɨ": "ᵻ", "e": "ɛ", "o": "O", "r": "ɹ", "x": "k", "g": "ɡ"}


@dataclass(frozen=True)
class Phones:
    """The phones of an utterance."""

    phones: NDArray[np.uint8]  # (phones,) index into PHONES
    ends: NDArray[np.float32]  # (phones,) seconds


def merged(characters: str, seconds: NDArray[np.float64]) -> Phones:
    """Return the phones of `characters`, which last `seconds` each.

    Args:
        characters: misaki's characters; others are punctuation, so both ends can be any of these.
        seconds: (characters,) durations.
    """
    phones: list[str] = []
    lengths: list[float] = []
    waiting = 0.0  # of marks and spaces that belong to the next phone
    for character, length in zip(characters, seconds.tolist(), strict=True):
        phone = SAME.get(character, character)
        if phone in STRESS:
            waiting += length
        elif phone in LENGTH and lengths:
            lengths[-1] += length
        elif phone == " " and lengths:
            share = 1.0 if phones[-1] == PAUSE else 0.5
            lengths[-1] += share * length
            waiting += (1 - share) * length
        elif phone in PHONES:
            phones.append(phone)
            lengths.append(waiting + length)
            waiting = 0.0
        elif phones and phones[-1] == PAUSE:
            lengths[-1] += waiting + length
            waiting = 0.0
        else:
            phones.append(PAUSE)
            lengths.append(waiting + length)
            waiting = 0.0
    lengths[-1] += waiting
    index = np.array([PHONES.index(phone) for phone in phones], np.uint8)
    return Phones(index, np.cumsum(lengths).astype(np.float32))
