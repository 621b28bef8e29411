"""Logs the progress of a download.

The hub's client lets its caller choose the class of its progress bars. This class draws nothing and
logs the total progress at intervals.
"""

import logging
import time
from collections.abc import Callable
from typing import Any

_log = logging.getLogger(__name__)

INTERVAL_S = 5.0
_BYTES = "B"
_MEGABYTE = 1e6


class DownloadProgress:
    """The progress of one download.

    Args:
        what: what is downloaded, for the log.
        clock: monotonic time, s.
    """

    def __init__(self, what: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._what = what
        self._clock = clock
        self._logged_at = clock()
        self._bytes = (0.0, 0.0)

    def update(self, unit: str, done: float, total: float) -> None:
        """Take the state of one bar, and log at most every INTERVAL_S.

        Args:
            unit: "B" for bytes; otherwise files are counted.
            done: units so far.
            total: units in all; 0: unknown.
        """
        if unit == _BYTES and done >= self._bytes[0]:
            self._bytes = (done, total)
        now = self._clock()
        if now - self._logged_at >= INTERVAL_S:
            self._logged_at = now
            self._log_line(unit, done, total)

    def _log_line(self, unit: str, done: float, total: float) -> None:
        if any(self._bytes):  # bytes are more precise than files
            fetched, size = self._bytes
            share = f" ({100 * fetched / size:.0f}%)" if size else ""
            amount = f"{fetched / _MEGABYTE:.0f} of {size / _MEGABYTE:.0f} MB"
            _log.info("downloading %s: %s%s", self._what, amount, share)
        elif unit != _BYTES:
            _log.info("downloading %s: %d of %d files", self._what, done, total)


def bar_class(progress: DownloadProgress) -> type[Any]:
    """Make the `tqdm_class` argument for the hub's client."""
    from tqdm import tqdm  # type: ignore[import-untyped]  # a dependency of the hub's client

    class Bar(tqdm):  # type: ignore[misc]
        """A bar that logs instead of drawing."""

        def __init__(self, *args: Any, **options: Any) -> None:
            options.pop("name", None)  # an option of the client's own class
            own = {"disable": False, "leave": False, "file": _NullFile()}
            super().__init__(*args, **options | own)

        def display(self, msg: str | None = None, pos: int | None = None) -> None:
            """Report the state. The final call, which clears the line, has a message."""
            if msg is None:
                progress.update(self.unit, self.n, self.total or 0)

    return Bar


class _NullFile:
    """A file that discards its input; a bar clears its line in it."""

    def write(self, text: str) -> int:
        return len(text)

    def flush(self) -> None: ...
