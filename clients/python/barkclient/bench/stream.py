"""What came of one request, and when: the raw material of every number. Knows no clock."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

OK = "OK"


@dataclass(frozen=True)
class Arrival:
    """A chunk that came; one without a sample is none."""

    at_s: float  # since the stream was begun
    audio_s: float  # how long it plays


@dataclass(frozen=True)
class StreamRecord:
    """One request from its begin to its end."""

    index: int  # within its level, from 0
    begun_s: float  # since the level began; open loop: when it was due, not when it was sent
    ended_s: float  # since it was begun
    arrivals: tuple[Arrival, ...]
    status: str = OK  # the gRPC status by name, or PROTOCOL for an answer that is not one
    message: str = ""  # what went wrong, for a person

    @property
    def finished(self) -> bool:
        return self.status == OK

    @property
    def audio_s(self) -> float:
        return sum(arrival.audio_s for arrival in self.arrivals)

    @property
    def ttfa_s(self) -> float | None:
        """Seconds to the first audio."""
        return self.arrivals[0].at_s if self.arrivals else None

    @property
    def gaps_s(self) -> Sequence[float]:
        """Seconds between a chunk and the next."""
        return [after.at_s - before.at_s for before, after in pairwise(self.arrivals)]

    @property
    def rtf(self) -> float | None:
        """Seconds to the last audio, for each second of audio."""
        return self.arrivals[-1].at_s / self.audio_s if self.arrivals else None
