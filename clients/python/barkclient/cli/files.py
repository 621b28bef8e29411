"""Output files: checked before any work is done, and named in errors."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from barkclient.errors import InvalidRequest


def check_files(*paths: str | None) -> None:
    """Check the output files of a command. None is skipped.

    Raises:
        InvalidRequest: a file cannot be written, or is given for two outputs.
    """
    given = [path for path in paths if path is not None]
    for path in given:
        _check(path)
    real_paths = [os.path.realpath(path) for path in given]
    for path, real_path in zip(given, real_paths, strict=True):
        if real_paths.count(real_path) > 1 and Path(path).is_file():
            raise InvalidRequest(f"{path} is given for two outputs: give each its own file")


def check_suffix(flag: str, path: str | None, suffix: str) -> None:
    """Check the end of a file name. None is allowed.

    Raises:
        InvalidRequest: it ends in another way.
    """
    if path is not None and Path(path).suffix.lower() != suffix:
        raise InvalidRequest(f"{flag}: {path} must end in {suffix}")


@contextmanager
def naming(path: str) -> Iterator[None]:
    """Set the file name of an OSError that has none, such as that of a failed write."""
    try:
        yield
    except OSError as error:
        if error.filename is None:
            error.filename = path
        raise


def _check(path: str) -> None:
    folder = Path(path).parent
    if not path:
        raise InvalidRequest("the name of an output file is empty: give a name")
    if Path(path).is_dir():
        raise InvalidRequest(f"{path} is a folder: give the name of a file in it")
    if not folder.is_dir():
        raise InvalidRequest(f"cannot write {path}: create the folder {folder} first")
    if not os.access(path if Path(path).exists() else folder, os.W_OK):
        raise InvalidRequest(f"no permission to write {path}: choose another file")
