"""The text of `barkclient say`: an argument, or standard input as it is typed."""

import os
import sys
from collections.abc import Iterator

from barkclient.errors import InvalidRequest

STANDARD = "-"
_READ_BYTES = 4096


def read_text(text: str) -> str:
    """Return the whole text; "-" reads standard input to its end.

    Raises:
        InvalidRequest: standard input is closed or not UTF-8.
    """
    if text != STANDARD:
        return text
    _check_standard_input()
    try:
        return sys.stdin.buffer.read().decode("utf-8-sig").strip()
    except UnicodeDecodeError as error:
        raise InvalidRequest("the text on standard input is not UTF-8") from error


class TypedText:
    """An iterable of the parts of a text as they are typed. It keeps what it has read.

    Args:
        text: the text; "-": standard input.

    Raises:
        InvalidRequest: standard input is closed.
    """

    def __init__(self, text: str) -> None:
        if text == STANDARD:
            _check_standard_input()
        self._given = text.encode()
        self._read = bytearray()

    @property
    def so_far(self) -> str:
        """The text that has been read."""
        return self._read.decode(errors="replace")

    def __iter__(self) -> Iterator[bytes]:
        for part in self._parts():
            self._read += part
            yield part

    def _parts(self) -> Iterator[bytes]:
        if self._given != STANDARD.encode():
            yield self._given
            return
        while part := os.read(sys.stdin.fileno(), _READ_BYTES):
            yield part


def _check_standard_input() -> None:
    if sys.stdin is None:  # it was closed before Python started
        raise InvalidRequest("standard input is closed: give the text instead of -")
    if sys.stdin.isatty():
        print("type the text and end it with Ctrl-D on a line of its own", file=sys.stderr)
