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


def typed_text(text: str) -> Iterator[bytes]:
    """The text in pieces, as soon as there are any."""
    if text != STANDARD:
        yield text.encode()
        return
    while piece := os.read(sys.stdin.fileno(), _READ_BYTES):
        yield piece
