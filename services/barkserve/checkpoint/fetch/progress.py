"""How far a copy is: a bar on a terminal, a line now and then elsewhere."""

from typing import TextIO

_WIDTH = 30
_STEP = 0.25  # of the whole, between two lines where there is no terminal


class ProgressLine:
    """Shows one copy's progress.

    Args:
        what: what is copied.
        out: where it is shown.
    """

    def __init__(self, what: str, out: TextIO) -> None:
        self._what = what
        self._out = out
        self._next = 0.0

    def show(self, done: int, total: int) -> None:
        """Bytes so far, bytes in all."""
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
