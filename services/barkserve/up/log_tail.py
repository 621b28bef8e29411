"""Copies the log of a child process to standard error, and keeps its end."""

import asyncio
import sys
from contextlib import suppress

_CHUNK_BYTES = 65_536
_KEPT_BYTES = 2_000
_LINES = 5


class LogTail:
    """The log of a process. Made for one process, inside an event loop.

    Args:
        stream: the standard error of the process.

    Attributes:
        copying: ends with the log.
    """

    def __init__(self, stream: asyncio.StreamReader) -> None:
        self._stream = stream
        self._end = b""
        self.copying = asyncio.create_task(self._copy())

    def last_lines(self) -> list[str]:
        """The last lines of the log, at most five."""
        return self._end.decode(errors="replace").splitlines()[-_LINES:]

    async def _copy(self) -> None:
        while chunk := await self._stream.read(_CHUNK_BYTES):
            self._end = (self._end + chunk)[-_KEPT_BYTES:]
            with suppress(OSError):  # a reader that went away must not stop the service
                sys.stderr.buffer.write(chunk)
                sys.stderr.flush()
