"""One sentence spoken by a teacher."""

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.data.phonemes import Phones

PEAK = 0.95  # of the waveform after clipping


@dataclass(frozen=True)
class Reading:
    """Audio, phones and pitch."""

    wave: NDArray[np.int16]  # (samples,) at 24 kHz
    phones: Phones
    f0: NDArray[np.float32]  # (frames,) Hz every 12.5 ms, at most 40 without pulses


def written(text: str) -> str:
    """Return `text` as people write it: a capital at the start of a sentence, and "I"."""
    text = re.sub(r"\bi\b", "I", text)
    return re.sub(r"(^|[.?!] )([a-z])", lambda found: found[1] + found[2].upper(), text)


def to_pcm16(wave: NDArray[np.floating]) -> NDArray[np.int16]:
    """Return a waveform in [-1, 1] as 16-bit samples, clipped at PEAK."""
    return (wave.clip(-PEAK, PEAK) * 32767).astype(np.int16)
