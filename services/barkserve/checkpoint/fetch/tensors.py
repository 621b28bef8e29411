"""A stage's tensors out of a checkpoint's files into one safetensors file, piece by piece.

safetensors files are cut by their header, without torch; torch's .bin files are mapped into memory.
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
class _Piece:
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
        checkpoint: the folder with pytorch_model*.bin, where there are no safetensors files.
        files: the safetensors files.
        prefixes: "coarse_acoustics." for example.
        target: the file to write.
        progress: told how far it is.

    Raises:
        CheckpointError: there are no such tensors, or a file is broken.
    """
    if files:
        found = (piece for file in files for piece in _pieces(file))
        pieces = [piece for piece in found if piece.name.startswith(prefixes)]
        _require(pieces, checkpoint, prefixes)
        with target.open("wb") as file:
            _write_header(file, pieces)
            _copy(file, pieces, progress)
        return
    _write_from_bin(checkpoint, prefixes, target, progress)


def _pieces(file: WeightFile) -> list[_Piece]:
    """In the order in which they lie in the file."""
    return sorted(_in_header(file), key=lambda piece: piece.offset)


def _in_header(file: WeightFile) -> Iterator[_Piece]:
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
            yield _Piece(name, entry["dtype"], entry["shape"], end - begin, file, at)
    except (OSError, ValueError, KeyError, TypeError, struct.error) as error:
        raise CheckpointError(f"{file.name} is broken: fetch the checkpoint again") from error


def _write_header(file: BinaryIO, pieces: Iterable[_Piece]) -> None:
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    at = 0
    for piece in pieces:
        header[piece.name] = {
            "dtype": piece.dtype,
            "shape": piece.shape,
            "data_offsets": [at, at + piece.size],
        }
        at += piece.size
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)  # tensors are aligned
    file.write(struct.pack("<Q", len(text)) + text)


def _copy(file: BinaryIO, pieces: list[_Piece], progress: Progress) -> None:
    total = sum(piece.size for piece in pieces)
    done = 0
    for piece in pieces:
        at, end = piece.offset, piece.offset + piece.size
        while at < end:
            chunk = piece.source.read(at, min(end - at, _CHUNK))
            if not chunk:
                raise CheckpointError(f"{piece.source.name} has become shorter: fetch it again")
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
        except Exception as error:  # pickle's, zip's and torch's own come out
            raise CheckpointError(f"{path} is broken: fetch the checkpoint again") from error
        found |= {name: value for name, value in stored.items() if name.startswith(prefixes)}
    _require(found, checkpoint, prefixes)
    total = sum(value.nbytes for value in found.values())
    progress(0, total)
    # Tied tensors share memory, which safetensors refuses: each gets its own.
    save_file({name: value.clone() for name, value in found.items()}, target, {"format": "pt"})
    progress(total, total)


def _require(found: object, checkpoint: Path, prefixes: tuple[str, ...]) -> None:
    if not found:
        raise CheckpointError(
            f"checkpoint {checkpoint} holds no tensor {' or '.join(prefixes)}*: "
            "it is not Bark's, or incomplete"
        )
