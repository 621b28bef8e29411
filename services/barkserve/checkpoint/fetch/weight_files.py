"""Reads parts of safetensors files: in a local folder, or on the hub by range requests."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from barkserve.checkpoint.folder import CheckpointFolder, hub_error

_PATTERN = "model*.safetensors"
_REQUEST_BYTES = 16 << 20
"""Size of a range request. A stage's tensors are adjacent, so little of it is wasted."""


@dataclass(frozen=True)
class WeightFile:
    """One file.

    Attributes:
        name: name for messages.
        size: size in bytes.
        read: reads from an offset at most a number of bytes. Raises OSError for a local file,
            CheckpointError for one on the hub.
    """

    name: str
    size: int
    read: Callable[[int, int], bytes]


def local_files(folder: Path) -> list[WeightFile]:
    """List the files in a folder."""
    return [_local(path) for path in sorted(folder.glob(_PATTERN))]


def hub_files(checkpoint: CheckpointFolder) -> list[WeightFile]:
    """List the files of a checkpoint on the hub; files in the cache are read from there.

    The list is empty if there are none, or if the hub cannot be reached.
    """
    from huggingface_hub import HfFileSystem  # slow to import; only needed for the hub

    try:
        hub = HfFileSystem(skip_instance_cache=True)
        paths = sorted(hub.glob(f"{checkpoint.name}@{checkpoint.revision}/{_PATTERN}"))
        cached = [checkpoint.path / Path(path).name for path in paths]
        return [
            _local(file) if file.exists() else _remote(hub, path)
            for file, path in zip(cached, paths, strict=True)
        ]
    except Exception:  # any kind: the hub's client has changed its HTTP library before
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
