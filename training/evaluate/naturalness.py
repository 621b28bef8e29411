"""How natural speech sounds: DNSMOS and its P.808 model (Reddy et al. 2021), from speechmos."""

from dataclasses import dataclass

from speechmos import dnsmos

from training.data.sound import Wave
from training.evaluate.recognizer import RATE, resampled


@dataclass(frozen=True)
class Naturalness:
    """Mean opinion scores from 1 to 5."""

    p808: float
    overall: float  # DNSMOS


def naturalness(wave: Wave) -> Naturalness:
    """Return the scores of 24 kHz speech."""
    scores = dnsmos.run(resampled(wave).clip(-1, 1), RATE, return_df=False)
    return Naturalness(float(scores["p808_mos"]), float(scores["ovrl_mos"]))
