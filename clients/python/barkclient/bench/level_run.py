"""Results of a level, during the level and after it."""

import time

from barkclient.bench.level import Level
from barkclient.bench.stream import StreamRecord


class LevelRun:
    """Collects the results of a level, which begins now. They are valid at any time."""

    def __init__(self, level: Level) -> None:
        self.level = level
        self.begun = 0  # streams
        self.streams: list[StreamRecord] = []  # ended streams, in the order of their ends
        self.lags_s: list[float] = []  # delays of the client's event loop
        self.complete = False  # False: interrupted
        self.began_at = time.monotonic()
        self._elapsed_s: float | None = None
        self._full_s: float | None = None

    @property
    def elapsed_s(self) -> float:
        """Seconds since the level began, until its end."""
        return self._now_s() if self._elapsed_s is None else self._elapsed_s

    @property
    def full_s(self) -> float:
        """Seconds of full load: until a slot of a closed loop had no more streams to start."""
        return self.elapsed_s if self._full_s is None else self._full_s

    @property
    def failed(self) -> int:
        """Number of failed streams."""
        return sum(not stream.finished for stream in self.streams)

    def begin(self) -> int | None:
        """Count a new stream. Returns its index, or None if the level starts no more streams."""
        count, duration_s = self.level.count, self.level.duration_s
        if count is not None and self.begun >= count:
            return None
        if duration_s is not None and self._now_s() >= duration_s:
            return None
        self.begun += 1
        return self.begun - 1

    def within(self, pause_s: float) -> float:
        """Shorten a pause, so that it does not last longer than the level."""
        duration_s = self.level.duration_s
        return pause_s if duration_s is None else max(0.0, min(pause_s, duration_s - self._now_s()))

    def idle(self) -> None:
        """Record that a slot of a closed loop has no more streams: the load falls from now on."""
        if self._full_s is None:
            self._full_s = self._now_s()

    def end(self, *, complete: bool) -> None:
        """End the level."""
        self.complete = complete
        self._elapsed_s = self._now_s()

    def _now_s(self) -> float:
        return time.monotonic() - self.began_at
