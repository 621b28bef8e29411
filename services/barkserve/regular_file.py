"""Reads files of folders that other programs write to, where any name may be a FIFO or a folder."""

import errno
import os
import stat
from pathlib import Path

_NOT_REGULAR = (errno.ELOOP, errno.ENXIO, errno.EISDIR)  # a link to itself, a socket, a folder


class NotRegularFileError(OSError):
    """A path that exists but is a FIFO, a socket, a device, a folder or a link to itself."""


def read_regular_file(path: Path, limit: int) -> bytes:
    """Return the first `limit` bytes of a file, without waiting for a writer of a FIFO.

    Raises:
        NotRegularFileError: the path is not a regular file.
        OSError: the file cannot be read.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        if error.errno in _NOT_REGULAR:
            raise _not_regular(path) from None
        raise
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise _not_regular(path)
    with open(descriptor, "rb") as file:
        return file.read(limit)


def is_regular_file(path: Path) -> bool:
    """Return whether a path is a regular file or a link to one."""
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except OSError:
        return False


def _not_regular(path: Path) -> NotRegularFileError:
    return NotRegularFileError(errno.EINVAL, "not a regular file", str(path))
