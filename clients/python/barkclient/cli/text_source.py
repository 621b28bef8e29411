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
    _check_standard_input()
    try:
        return sys.stdin.buffer.read().decode("utf-8-sig").strip()
    except UnicodeDecodeError as error:
        raise InvalidRequest("the text on standard input is not UTF-8") from error


class TypedText:
    """The text in pieces, as soon as there are any; remembers them."""

    def __init__(self, text: str) -> None:
        if text == STANDARD:
            _check_standard_input()
        self._given = text.encode()
        self._read = bytearray()

    @property
    def so_far(self) -> str:
        """What has been read."""
        return self._read.decode(errors="replace")

    def __iter__(self) -> Iterator[bytes]:
        for segment in self._pieces():
            self._read += segment
            yield segment

    def _pieces(self) -> Iterator[bytes]:
        if self._given != STANDARD.encode():
            yield self._given
            return
        while segment := os.read(sys.stdin.fileno(), _READ_BYTES):
            yield segment


def _check_standard_input() -> None:
    if sys.stdin is None:  # it was closed before Python began
        raise InvalidRequest("- reads standard input, which is closed")
