"""Shows the progress of a copy: a bar on a terminal, else a few lines."""

from typing import TextIO

_WIDTH = 30
_STEP = 0.25  # fraction of the total between two lines


class ProgressLine:
    """Shows the progress of one copy.

    Args:
        what: what is copied.
        out: the output.
    """

    def __init__(self, what: str, out: TextIO) -> None:
        self._what = what
        self._out = out
        self._next = 0.0

    def show(self, done: int, total: int) -> None:
        """Show progress.

        Args:
            done: bytes so far.
            total: bytes in all.
        """
        share = done / total if total else 1.0
        if share < min(self._next, 1.0):
            return
        megabytes = f"{done / 1e6:.0f} of {total / 1e6:.0f} MB"
        if self._out.isatty():
            self._next = share + 0.01
            bar = ("#" * round(share * _WIDTH)).ljust(_WIDTH)
            end = "\n" if done == total else ""
            self._out.write(f"\r{self._what} [{bar}] {megabytes}{end}")
            self._out.flush()
        else:
            self._next = share + _STEP
            print(f"{self._what}: {megabytes}", file=self._out, flush=True)
