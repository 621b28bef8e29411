"""The text of `barkclient say`: from the command line, or from standard input as it is typed."""

import os
import sys
from collections.abc import Iterator

from barkclient.errors import InvalidRequest

STANDARD = "-"
_READ_BYTES = 4096


def read_text(text: str) -> str:
    """The whole text; "-" is all of standard input."""
    if text != STANDARD:
        return text
    try:
        return sys.stdin.buffer.read().decode().strip()
    except UnicodeDecodeError as error:
        raise InvalidRequest("the text on standard input is not UTF-8") from error


class TypedText:
    """The text in pieces, as soon as there are any; remembers them."""

    def __init__(self, text: str) -> None:
        self._given = text
        self._read = bytearray()

    @property
    def so_far(self) -> str:
        """What has been read."""
        return self._read.decode(errors="replace")

    def __iter__(self) -> Iterator[bytes]:
        for piece in self._pieces():
            self._read += piece
            yield piece

    def _pieces(self) -> Iterator[bytes]:
        if self._given != STANDARD:
            yield self._given.encode()
            return
        while piece := os.read(sys.stdin.fileno(), _READ_BYTES):
            yield piece
