"""What clients ask for: when streams arrive, how long they speak, and with which voice."""

import math
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from barkserve.simulation.chain import Utterance

Rate = Callable[[float], float]

DAY_S = 86_400.0
_DIURNAL_LOW = 0.2  # of the highest rate, at night


@dataclass(frozen=True)
class Voices:
    """The mix of voices: a share for each number of history tokens; 0: no voice."""

    shares: Mapping[int, float]


ALL_LONG = Voices({512: 1.0})
"""Every stream has a voice that fills all windows."""


class Utterances:
    """Draws the utterances of streams. Stream N is the same in every run with one seed.

    Args:
        audio_s: durations to draw from; stream N has duration N, modulo their number.
        voices: the mix of voices.
        seed: of the voices.
    """

    def __init__(self, audio_s: Sequence[float], voices: Voices, seed: int) -> None:
        self._audio_s = audio_s
        self._histories = list(voices.shares)
        self._weights = list(voices.shares.values())
        self._seed = seed

    @property
    def mean_s(self) -> float:
        """Mean duration in seconds."""
        return sum(self._audio_s) / len(self._audio_s)

    def at(self, index: int) -> Utterance:
        """Return the utterance of a stream."""
        draw = random.Random(f"{self._seed} {index}")
        history = draw.choices(self._histories, self._weights)[0]
        return Utterance(self._audio_s[index % len(self._audio_s)], history)


def constant(rate: float) -> Rate:
    """A rate that stays."""
    return lambda _: rate


def diurnal(highest: float, day_s: float = DAY_S) -> Rate:
    """A day from its lowest rate, a fifth of the highest, to the highest at noon and back."""
    middle, half = highest * (1 + _DIURNAL_LOW) / 2, highest * (1 - _DIURNAL_LOW) / 2
    return lambda at: middle - half * math.cos(2 * math.pi * at / day_s)


def burst(rate: float, factor: float, begin_s: float, rise_s: float, hold_s: float) -> Rate:
    """A rate that rises to `factor` times itself, stays there and falls again as fast."""

    def at(time: float) -> float:
        risen = min((time - begin_s) / rise_s, (begin_s + 2 * rise_s + hold_s - time) / rise_s, 1.0)
        return rate * (1 + (factor - 1) * max(0.0, risen))

    return at


def arrivals(rate: Rate, highest: float, duration_s: float, seed: int) -> Iterator[float]:
    """Yield the arrival times of a Poisson process with a changing rate, by thinning.

    Args:
        rate: arrivals per second at a time.
        highest: the largest value of `rate`.
        duration_s: when to end.
        seed: of the draws.
    """
    draw, time = random.Random(seed), 0.0
    while (time := time + draw.expovariate(highest)) < duration_s:
        if draw.random() * highest <= rate(time):
            yield time
