"""Copies a stage's tensors from a checkpoint's files to one safetensors file.

Parts of safetensors files are copied by their header, without torch. torch's .bin files are mapped
into memory.
"""

import json
import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from barkserve.checkpoint.fetch.weight_files import WeightFile
from barkserve.errors import CheckpointError

Progress = Callable[[int, int], None]  # bytes so far, bytes in all

_CHUNK = 4 << 20
_MAX_HEADER = 100 << 20


@dataclass(frozen=True)
class _Entry:
    name: str
    dtype: str
    shape: list[int]
    size: int
    source: WeightFile
    offset: int


def write_tensors(
    checkpoint: Path,
    files: Sequence[WeightFile],
    prefixes: tuple[str, ...],
    target: Path,
    progress: Progress,
) -> None:
    """Copy all tensors whose names start with one of the prefixes.

    Args:
        checkpoint: the folder; its pytorch_model*.bin files are read if there are no others.
        files: the safetensors files.
        prefixes: "coarse_acoustics." for example.
        target: the file to write.
        progress: called with the bytes so far and in all.

    Raises:
        CheckpointError: there are no such tensors, or a file is broken.
    """
    if files:
        found = (entry for file in files for entry in _entries(file))
        entries = [entry for entry in found if entry.name.startswith(prefixes)]
        _require(entries, checkpoint, prefixes)
        with target.open("wb") as file:
            _write_header(file, entries)
            _copy(file, entries, progress)
        return
    _write_from_bin(checkpoint, prefixes, target, progress)


def _entries(file: WeightFile) -> list[_Entry]:
    """List the tensors in the order of the file."""
    return sorted(_in_header(file), key=lambda entry: entry.offset)


def _in_header(file: WeightFile) -> Iterator[_Entry]:
    try:
        (length,) = struct.unpack("<Q", file.read(0, 8))
        if length > _MAX_HEADER:
            raise ValueError
        header = json.loads(file.read(8, length))
        for name, entry in header.items():
            if name == "__metadata__":
                continue
            begin, end = entry["data_offsets"]
            if not 0 <= begin <= end <= file.size - 8 - length:
                raise ValueError
            at = 8 + length + begin
            yield _Entry(name, entry["dtype"], entry["shape"], end - begin, file, at)
    except (OSError, ValueError, KeyError, TypeError, struct.error) as error:
        raise CheckpointError(f"{file.name} is broken: fetch the checkpoint again") from error


def _write_header(file: BinaryIO, entries: Iterable[_Entry]) -> None:
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    at = 0
    for entry in entries:
        header[entry.name] = {
            "dtype": entry.dtype,
            "shape": entry.shape,
            "data_offsets": [at, at + entry.size],
        }
        at += entry.size
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)  # tensors are aligned
    file.write(struct.pack("<Q", len(text)) + text)


def _copy(file: BinaryIO, entries: list[_Entry], progress: Progress) -> None:
    total = sum(entry.size for entry in entries)
    done = 0
    for entry in entries:
        at, end = entry.offset, entry.offset + entry.size
        while at < end:
            chunk = entry.source.read(at, min(end - at, _CHUNK))
            if not chunk:
                raise CheckpointError(
                    f"{entry.source.name} is truncated: fetch the checkpoint again"
                )
            file.write(chunk)
            at += len(chunk)
            done += len(chunk)
            progress(done, total)


def _write_from_bin(
    checkpoint: Path, prefixes: tuple[str, ...], target: Path, progress: Progress
) -> None:
    import torch
    from safetensors.torch import save_file

    found: dict[str, Any] = {}
    for path in sorted(checkpoint.glob("pytorch_model*.bin")):
        try:
            stored = torch.load(path, map_location="cpu", mmap=True, weights_only=True)
        except Exception as error:  # raises errors of pickle, zip and torch
            raise CheckpointError(f"{path} is broken: fetch the checkpoint again") from error
        found |= {name: value for name, value in stored.items() if name.startswith(prefixes)}
    _require(found, checkpoint, prefixes)
    total = sum(value.nbytes for value in found.values())
    progress(0, total)
    # safetensors rejects tied tensors, which share memory: copy each.
    save_file({name: value.clone() for name, value in found.items()}, target, {"format": "pt"})
    progress(total, total)


def _require(found: object, checkpoint: Path, prefixes: tuple[str, ...]) -> None:
    if not found:
        raise CheckpointError(
            f"checkpoint {checkpoint} has no tensors {' or '.join(prefixes)}*: "
            "it is incomplete or not Bark's"
        )
