"""A screen of the terminal that is drawn again and again, as `top` does it."""

import shutil
from collections.abc import Sequence
from types import TracebackType
from typing import Self, TextIO

_ENTER, _LEAVE = "\x1b[?1049h\x1b[?25l", "\x1b[?25h\x1b[?1049l"  # other screen, without a cursor
_HOME, _CLEAR_LINE, _CLEAR_BELOW = "\x1b[H", "\x1b[K", "\x1b[J"


class LiveScreen:
    """Shows lines on the terminal's second screen inside the block. The first one comes back.

    Args:
        terminal: the terminal.
    """

    def __init__(self, terminal: TextIO) -> None:
        self._terminal = terminal

    def __enter__(self) -> Self:
        """Switch to the second screen."""
        self._write(_ENTER)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Switch back."""
        self._write(_LEAVE)

    def show(self, lines: Sequence[str]) -> None:
        """Replace what the screen shows. Lines that do not fit are cut."""
        width, height = shutil.get_terminal_size()
        shown = [line[:width] + _CLEAR_LINE for line in lines[:height]]
        self._write(_HOME + "\r\n".join(shown) + _CLEAR_BELOW)

    def _write(self, text: str) -> None:
        self._terminal.write(text)
        self._terminal.flush()
