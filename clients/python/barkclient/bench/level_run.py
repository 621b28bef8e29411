"""A level while it runs and after it: the streams that were begun, and what came of them."""

import time

from barkclient.bench.level import Level
from barkclient.bench.stream import StreamRecord


class LevelRun:
    """Collects; begins when it is made. What it holds is valid at every moment."""

    def __init__(self, level: Level) -> None:
        self.level = level
        self.begun = 0  # streams
        self.streams: list[StreamRecord] = []  # those that ended, in the order of their ends
        self.lags_s: list[float] = []  # how late our own event loop was
        self.complete = False  # whether it ended by itself
        self.began_at = time.monotonic()
        self._elapsed_s: float | None = None
        self._full_s: float | None = None

    @property
    def elapsed_s(self) -> float:
        """Seconds since the level began; at its end they stand still."""
        return self._now_s() if self._elapsed_s is None else self._elapsed_s

    @property
    def full_s(self) -> float:
        """Seconds of full load: until a slot of a closed loop had nothing left to do."""
        return self.elapsed_s if self._full_s is None else self._full_s

    @property
    def failed(self) -> int:
        return sum(not stream.finished for stream in self.streams)

    def begin(self) -> int | None:
        """Counts one more stream in and returns its index; None when the level asks for no more."""
        count, duration_s = self.level.count, self.level.duration_s
        if count is not None and self.begun >= count:
            return None
        if duration_s is not None and self._now_s() >= duration_s:
            return None
        self.begun += 1
        return self.begun - 1

    def idle(self) -> None:
        """A slot of a closed loop has nothing left to do: from here on the load sinks."""
        if self._full_s is None:
            self._full_s = self._now_s()

    def end(self, *, complete: bool) -> None:
        """Stops the clock."""
        self.complete = complete
        self._elapsed_s = self._now_s()

    def _now_s(self) -> float:
        return time.monotonic() - self.began_at
