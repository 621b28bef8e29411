"""Record of one stream: the arrival of each chunk, and the status."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

OK = "OK"


@dataclass(frozen=True)
class Arrival:
    """A chunk of at least one sample."""

    at_s: float  # since the begin of the stream
    audio_s: float  # its length


@dataclass(frozen=True)
class StreamRecord:
    """One stream from its begin to its end."""

    index: int  # within its level, from 0
    begun_s: float  # since the level began; open loop: the arrival time, even if sent later
    ended_s: float  # since its begin
    arrivals: tuple[Arrival, ...]
    status: str = OK  # name of the gRPC status, or PROTOCOL for a protocol violation
    message: str = ""  # of the error
    retry_after_s: float = 0.0  # delay that the server asked for when it refused the stream

    @property
    def finished(self) -> bool:
        """Whether the stream succeeded."""
        return self.status == OK

    @property
    def audio_s(self) -> float:
        """Seconds of audio."""
        return sum(arrival.audio_s for arrival in self.arrivals)

    @property
    def ttfa_s(self) -> float | None:
        """Time to first audio in seconds."""
        return self.arrivals[0].at_s if self.arrivals else None

    @property
    def gaps_s(self) -> Sequence[float]:
        """Seconds between consecutive chunks."""
        return [after.at_s - before.at_s for before, after in pairwise(self.arrivals)]

    @property
    def rtf(self) -> float | None:
        """Real-time factor: seconds until the last chunk per second of audio."""
        return self.arrivals[-1].at_s / self.audio_s if self.arrivals else None
