"""A file whose content is read again when it changes."""

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

from barkserve.errors import StartupError
from barkserve.regular_file import read_regular_file

_log = logging.getLogger(__name__)

CHECK_INTERVAL_S = 1.0
MAX_BYTES = 16 * 1024 * 1024

Content = TypeVar("Content")
_Stamp = tuple[int, int, int]


class ReloadedFile(Generic[Content]):
    """Keeps the last valid content of a file. Blocks while it reads for the first time.

    Args:
        option: the option that names the file, for messages.
        path: the file. It may be a link that is replaced, as in a mounted Kubernetes Secret.
        parse: parses the bytes; raises ValueError with one line that says what is wrong.

    Attributes:
        content: the last valid content.

    Raises:
        StartupError: the file cannot be read, or its content is not valid.
    """

    def __init__(self, option: str, path: str, parse: Callable[[bytes], Content]) -> None:
        self._option = option
        self._path = Path(path)
        self._parse = parse
        self._stamp = self._read_stamp()
        self.content = self._read()

    async def follow(self) -> None:
        """Read the file again after each change, until cancelled.

        While the file is missing or not valid, the old content stays in use.
        """
        while True:
            await asyncio.sleep(CHECK_INTERVAL_S)
            await asyncio.to_thread(self._reload)

    def _reload(self) -> None:
        stamp = self._read_stamp()
        if stamp == self._stamp:
            return
        self._stamp = stamp
        try:
            self.content = self._read()
        except StartupError as error:
            _log.error("the old content stays in use: %s", error)
        else:
            _log.info("%s: read %s again", self._option, self._path)

    def _read(self) -> Content:
        try:
            data = read_regular_file(self._path, MAX_BYTES + 1)
            if len(data) > MAX_BYTES:
                raise ValueError(f"it has more than {MAX_BYTES} bytes")
            return self._parse(data)
        except OSError as error:
            raise StartupError(
                f"{self._option}: cannot read {self._path} ({error.strerror})"
            ) from error
        except ValueError as error:
            raise StartupError(f"{self._option}: {self._path} is not valid: {error}") from None

    def _read_stamp(self) -> _Stamp | None:
        """A value that changes with the file, None while it is missing."""
        try:
            stat = self._path.stat()
        except OSError:
            return None
        return (stat.st_ino, stat.st_mtime_ns, stat.st_size)
