"""Files that a command is to write: looked at before any work is done, named when they fail."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from barkclient.errors import InvalidRequest


def check_files(*paths: str | None) -> None:
    """Raises InvalidRequest for what cannot be written, and for a file that is named twice."""
    given = [path for path in paths if path is not None]
    for path in given:
        _check(path)
    names = [os.path.realpath(path) for path in given]
    for path, name in zip(given, names, strict=True):
        if names.count(name) > 1 and Path(path).is_file():
            raise InvalidRequest(f"{path} is named for two things at once: give each its own file")


@contextmanager
def naming(path: str) -> Iterator[None]:
    """An OSError on the way says which file it is about: a write knows none."""
    try:
        yield
    except OSError as error:
        if error.filename is None:
            error.filename = path
        raise


def _check(path: str) -> None:
    folder = Path(path).parent
    if not path:
        raise InvalidRequest("a file to write has an empty name: give it one")
    if Path(path).is_dir():
        raise InvalidRequest(f"{path} is a folder: give the name of a file in it")
    if not folder.is_dir():
        raise InvalidRequest(f"there is no folder for {path}: make {folder} first")
    if not os.access(path if Path(path).exists() else folder, os.W_OK):
        raise InvalidRequest(f"{path} may not be written by you: choose another place")
