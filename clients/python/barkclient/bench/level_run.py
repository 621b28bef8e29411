"""Results of a level, during the level and after it."""

import time
from collections.abc import Callable

from barkclient.bench.level import Level
from barkclient.bench.stream import StreamRecord


class LevelRun:
    """Collects the results of a level, which begins now. They are valid at any time.

    Args:
        level: the level.
        clock: returns the time in seconds; that of the event loop.
    """

    def __init__(self, level: Level, clock: Callable[[], float] = time.monotonic) -> None:
        self.level = level
        self.clock = clock
        self.begun = 0  # streams
        self.streams: list[StreamRecord] = []  # ended streams, in the order of their ends
        self.lags_s: list[float] = []  # delays of the client's event loop
        self.complete = False  # False: interrupted
        self.stopped_early = False  # the load cannot be sustained
        self.began_at = clock()
        self._elapsed_s: float | None = None
        self._window_s: float | None = None

    @property
    def elapsed_s(self) -> float:
        """Seconds since the level began, until its end."""
        return self._now_s() if self._elapsed_s is None else self._elapsed_s

    @property
    def window_s(self) -> float:
        """Seconds under load: until no further stream was to start (in a slot, or at all)."""
        return self.elapsed_s if self._window_s is None else self._window_s

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

    def close_window(self) -> None:
        """Record that the load falls from now on. Only the first call counts."""
        if self._window_s is None:
            self._window_s = self._now_s()

    def end(self, *, complete: bool) -> None:
        """End the level."""
        self.complete = complete
        self._elapsed_s = self._now_s()

    def _now_s(self) -> float:
        return self.clock() - self.began_at
