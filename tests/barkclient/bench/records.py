"""Example streams and levels."""

from barkclient.bench.level import Level
from barkclient.bench.level_run import LevelRun
from barkclient.bench.stream import OK, Arrival, StreamRecord

# First audio after 1 s, underrun from 1.5 to 1.75 s, 1 s of audio in total after 2 s.
UNDERRUN = (Arrival(1.0, 0.5), Arrival(1.75, 0.25), Arrival(2.0, 0.25))
SMOOTH = (Arrival(0.5, 1.0), Arrival(1.0, 1.0))


def stream(
    arrivals: tuple[Arrival, ...] = SMOOTH,
    *,
    index: int = 0,
    begun_s: float = 0.0,
    status: str = OK,
    message: str = "",
) -> StreamRecord:
    return StreamRecord(index, begun_s, 9.0, arrivals, status, message)


class MeasuredRun(LevelRun):
    """A level that ended after 10 s, 4 of them under load."""

    def __init__(self, level: Level, *streams: StreamRecord, begun: int | None = None) -> None:
        super().__init__(level)
        self.streams = list(streams)
        self.begun = len(streams) if begun is None else begun
        self.complete = True
        self._elapsed_s, self._window_s = 10.0, 4.0
