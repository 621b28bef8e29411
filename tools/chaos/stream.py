"""One stream as its client received it."""

from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from barkclient.bench.playback import silences_s
from barkclient.bench.stream import OK, Arrival
from tools.chaos.comparison import Samples


@dataclass
class Stream:
    """One stream.

    Attributes:
        utterance: index of what was spoken.
        begun_s: time of the request, of the clock time.monotonic().
        arrivals: the audio; times are on the same clock.
        audio: the samples, 16 bits.
        status: OK, REFUSED, or the name of the error.
        message: of the error.
    """

    utterance: int
    begun_s: float
    arrivals: list[Arrival] = field(default_factory=list)
    audio: bytearray = field(default_factory=bytearray)
    status: str = ""
    message: str = ""

    @property
    def spoken(self) -> bool:
        """Whether the stream ended without an error."""
        return self.status == OK

    @property
    def samples(self) -> Samples:
        """(n,) the samples that arrived."""
        return np.frombuffer(bytes(self.audio), "<i2")

    @property
    def longest_silence_s(self) -> float:
        """The longest time that a real-time player without a buffer had nothing to play."""
        return max(silences_s(self.arrivals), default=0.0)

    def longest_wait_s(self, after_s: float) -> float:
        """The longest time between two chunks, the second of which arrived after a time."""
        times = [self.begun_s, *(arrival.at_s for arrival in self.arrivals)]
        return max((b - max(a, after_s) for a, b in pairwise(times) if b > after_s), default=0.0)
