"""A checkpoint's safetensors files, read in part: in a folder here, or on the hub by range
requests. Knows no tensors.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from barkserve.checkpoint.folder import CheckpointFolder, hub_error

_PATTERN = "model*.safetensors"
_REQUEST_BYTES = 16 << 20
"""Asked for at once; a stage's tensors lie side by side, so that little of it is not wanted."""


@dataclass(frozen=True)
class WeightFile:
    """One file.

    Attributes:
        name: for messages.
        size: bytes.
        read: (offset, bytes) to at most so many bytes; raises OSError for a file here,
            CheckpointError for one of the hub.
    """

    name: str
    size: int
    read: Callable[[int, int], bytes]


def local_files(folder: Path) -> list[WeightFile]:
    """The files in a folder; empty if there are none."""
    return [_local(path) for path in sorted(folder.glob(_PATTERN))]


def hub_files(checkpoint: CheckpointFolder) -> list[WeightFile]:
    """The files of a checkpoint of the hub, those that were fetched before from here; empty if
    there are none, or if the hub cannot be asked.
    """
    from huggingface_hub import HfFileSystem  # slow to import, and only hub names need it

    try:
        hub = HfFileSystem(skip_instance_cache=True)
        paths = sorted(hub.glob(f"{checkpoint.name}@{checkpoint.revision}/{_PATTERN}"))
        here = [checkpoint.path / Path(path).name for path in paths]
        return [
            _local(file) if file.exists() else _remote(hub, path)
            for file, path in zip(here, paths, strict=True)
        ]
    except Exception:  # of many kinds: the hub's client changes its HTTP library at times
        return []


def _local(path: Path) -> WeightFile:
    def read(offset: int, size: int) -> bytes:
        with path.open("rb") as file:
            file.seek(offset)
            return file.read(size)

    return WeightFile(str(path), path.stat().st_size, read)


def _remote(hub: Any, path: str) -> WeightFile:
    file = hub.open(path, "rb", block_size=_REQUEST_BYTES, cache_type="readahead")

    def read(offset: int, size: int) -> bytes:
        try:
            file.seek(offset)
            return bytes(file.read(size))
        except Exception as error:
            raise hub_error(path, error) from error

    return WeightFile(path, file.size, read)
