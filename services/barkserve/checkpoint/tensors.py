"""Reads the tensors of one stage from a checkpoint, and no others.

Supports safetensors and torch's .bin, in one file or several.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import torch
from safetensors import SafetensorError, safe_open

from barkserve.checkpoint.folder import CheckpointFolder, read_json_object
from barkserve.errors import CheckpointError

SEMANTIC = "semantic."
COARSE = "coarse_acoustics."
FINE = "fine_acoustics."
CODEC = "codec_model."

# Saved with the weights, but not weights: attention masks, and training state of codebooks.
_NOT_WEIGHTS = (".attn.bias", ".codebook.embed_avg", ".codebook.cluster_size", ".codebook.inited")

# The names of a weight-normalized weight's two parts before torch had parametrizations.
_RENAMED = {
    ".weight_g": ".parametrizations.weight.original0",
    ".weight_v": ".parametrizations.weight.original1",
}


# Tensors read per mapping of a file: mapped pages count as memory of the process.
_MAPPED_TOGETHER = 16

To = tuple[torch.device, torch.dtype | None]
"""Target device and dtype of tensors; dtype None: as stored."""

_AS_STORED: To = (torch.device("cpu"), None)


@dataclass(frozen=True)
class Checkpoint(CheckpointFolder):
    """A checkpoint folder with weights."""

    @classmethod
    def open(cls, name_or_path: str | os.PathLike[str], *, weights: bool = True) -> Self:
        """Open a folder or fetch a hub repository with its weights, see CheckpointFolder.open."""
        return super().open(name_or_path, weights=weights)

    def tensors(
        self, prefix: str, only: tuple[str, ...] = (), to: To = _AS_STORED
    ) -> dict[str, torch.Tensor]:
        """Read the tensors whose names start with a prefix. No two share memory.

        Args:
            prefix: SEMANTIC, COARSE, FINE or CODEC. It is removed from the names.
            only: starts of the names to read, without the prefix, for example ("decoder.",
                "quantizer."). Empty: all.
            to: device and dtype; each tensor is converted as soon as it is read.

        Returns:
            Name to tensor, without attention masks and training statistics. Weight-normalized
            weights have the names of torch's parametrizations, also in old files.

        Raises:
            CheckpointError: there are no such tensors, or a file is broken.
        """
        found: dict[str, torch.Tensor] = {}
        for file, names in self._files(prefix):
            wanted = {
                name: _short_name(name, prefix) for name in names if _is_wanted(name, prefix, only)
            }
            found |= _read(file, wanted, to)
        if not found:
            raise CheckpointError(
                f"checkpoint {self.path} has no tensors {prefix}*: it is incomplete or not Bark's"
            )
        return found

    def _files(self, prefix: str) -> Iterator[tuple[Path, list[str]]]:
        """Yield the files with tensors of a prefix, and at least those names in each."""
        for single in (self.path / "model.safetensors", self.path / "pytorch_model.bin"):
            index = single.with_name(f"{single.name}.index.json")
            if single.is_file():
                yield single, _names(single)
                return
            if index.is_file():
                yield from _indexed(index, prefix)
                return
        raise CheckpointError(
            f"checkpoint {self.path} has no weights: model.safetensors or pytorch_model.bin is"
            " missing. Give a folder with a complete checkpoint"
        )


def _indexed(index: Path, prefix: str) -> Iterator[tuple[Path, list[str]]]:
    """Yield files and names from an index such as model.safetensors.index.json."""
    weight_map = read_json_object(index).get("weight_map")
    if not isinstance(weight_map, dict) or not all(
        isinstance(file, str) for file in weight_map.values()
    ):
        raise CheckpointError(f"{index} is broken (no weight_map): fetch the checkpoint again")
    by_file: dict[str, list[str]] = {}
    for name, file in weight_map.items():
        if name.startswith(prefix):
            by_file.setdefault(file, []).append(name)
    for file, names in by_file.items():
        if Path(file).name != file:
            raise CheckpointError(f"{index} is broken: {file!r} is not a file of this folder")
        yield index.with_name(file), names


def _is_wanted(name: str, prefix: str, only: tuple[str, ...]) -> bool:
    rest = name.removeprefix(prefix)
    return (
        name.startswith(prefix) and rest.startswith(only or "") and not name.endswith(_NOT_WEIGHTS)
    )


def _short_name(name: str, prefix: str) -> str:
    short = name.removeprefix(prefix)
    for old, new in _RENAMED.items():
        if short.endswith(old):
            return short.removesuffix(old) + new
    return short


def _names(file: Path) -> list[str]:
    if file.suffix == ".bin":
        return list(_load_bin(file))
    try:
        with safe_open(file, framework="pt") as tensors:
            return list(tensors.keys())
    except (SafetensorError, OSError) as error:
        raise _broken(file, error) from error


def _read(file: Path, wanted: dict[str, str], to: To) -> dict[str, torch.Tensor]:
    """Read tensors from one file.

    Args:
        file: .safetensors or .bin.
        wanted: name in the file to name in the result.
        to: device and dtype.
    """
    device, dtype = to
    found: dict[str, torch.Tensor] = {}
    names = list(wanted)
    for start in range(0, len(names), _MAPPED_TOGETHER):
        group = names[start : start + _MAPPED_TOGETHER]
        for name, mapped in zip(group, _mapped(file, group), strict=True):
            found[wanted[name]] = mapped.to(device, dtype, copy=True)
    return found


def _mapped(file: Path, names: list[str]) -> Iterator[torch.Tensor]:
    """Yield tensors of a file. The file stays mapped while one of them is referenced."""
    if file.suffix == ".bin":
        stored = _load_bin(file)
        for name in names:
            if name not in stored:
                raise CheckpointError(f"{file} lacks the tensor {name}: fetch the checkpoint again")
            yield stored[name]
        return
    try:
        with safe_open(file, framework="pt") as tensors:
            for name in names:
                yield tensors.get_tensor(name)
    except (SafetensorError, OSError) as error:
        raise _broken(file, error) from error


def _load_bin(file: Path) -> dict[str, torch.Tensor]:
    """Map a .bin file into memory. Pages are read when their tensor is."""
    try:
        stored = torch.load(file, map_location="cpu", mmap=True, weights_only=True)
    except Exception as error:  # raises errors of pickle, zip and torch
        raise _broken(file, error) from error
    if not isinstance(stored, dict) or not all(
        isinstance(tensor, torch.Tensor) for tensor in stored.values()
    ):
        raise CheckpointError(f"{file} is broken (no tensors by name): fetch the checkpoint again")
    return stored


def _broken(file: Path, error: Exception) -> CheckpointError:
    if not file.is_file():
        return CheckpointError(f"{file} is missing: fetch the checkpoint again")
    reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
    return CheckpointError(f"{file} is broken ({reason[:200]}): fetch the checkpoint again")
