"""Progress of a first download, as lines in the log. Knows no repository and no file.

The hub's client draws progress bars of a class that its caller may give. This one draws nothing:
it reports, now and then, how far all bars together are.
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
    """How far one download is.

    Args:
        what: what is downloaded, for the log.
        clock: seconds.
    """

    def __init__(self, what: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._what = what
        self._clock = clock
        self._said_at = clock()
        self._bytes = (0.0, 0.0)

    def seen(self, unit: str, done: float, total: float) -> None:
        """Takes what a bar would show. Says so at most every INTERVAL_S, and nothing of what takes
        less.
        """
        if unit == _BYTES and done >= self._bytes[0]:
            self._bytes = (done, total)
        now = self._clock()
        if now - self._said_at >= INTERVAL_S:
            self._said_at = now
            self._say(unit, done, total)

    def _say(self, unit: str, done: float, total: float) -> None:
        if any(self._bytes):  # the bars of files say less
            fetched, size = self._bytes
            share = f" ({100 * fetched / size:.0f}%)" if size else ""
            of = f"{fetched / _MEGABYTE:.0f} of {size / _MEGABYTE:.0f} MB"
            _log.info("downloading %s: %s%s", self._what, of, share)
        elif unit != _BYTES:
            _log.info("downloading %s: %d of %d files", self._what, done, total)


def bar_class(progress: DownloadProgress) -> type[Any]:
    """The class to give to the hub's client as `tqdm_class`."""
    from tqdm import tqdm  # type: ignore[import-untyped]  # comes with the hub's client

    class Bar(tqdm):  # type: ignore[misc]
        """A bar that is not drawn."""

        def __init__(self, *args: Any, **options: Any) -> None:
            options.pop("name", None)  # of the client's own class
            own = {"disable": False, "leave": False, "file": _Nowhere()}
            super().__init__(*args, **options | own)

        def display(self, msg: str | None = None, pos: int | None = None) -> None:
            """In place of drawing, and of wiping out (with a message) at the end."""
            if msg is None:
                progress.seen(self.unit, self.n, self.total or 0)

    return Bar


class _Nowhere:
    """A file that a bar may clear its line in."""

    def write(self, text: str) -> int:
        return len(text)

    def flush(self) -> None: ...
