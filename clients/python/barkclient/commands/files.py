"""Files that a command is to write."""

from pathlib import Path

from barkclient.errors import InvalidRequest


def check_folder(path: str | None) -> None:
    """Raises InvalidRequest before any work is done for nothing."""
    if path is not None and not Path(path).parent.is_dir():
        raise InvalidRequest(f"there is no folder for {path}: make {Path(path).parent} first")
