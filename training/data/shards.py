"""Shards: files with columns of arrays of different lengths, one array per utterance."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray


def _packed(name: str, arrays: list[NDArray[np.generic]]) -> dict[str, NDArray[np.generic]]:
    """Pack arrays of different lengths into one array and their lengths."""
    lengths = np.array([len(array) for array in arrays], np.int64)
    return {name: np.concatenate(arrays), f"{name}_lengths": lengths}


def _unpacked(shard: dict[str, NDArray[np.generic]], name: str) -> list[NDArray[np.generic]]:
    return np.split(shard[name], np.cumsum(shard[f"{name}_lengths"])[:-1])


def save_shard(path: Path, **columns: list[NDArray[np.generic]]) -> None:
    """Write columns of arrays of different lengths atomically."""
    path.parent.mkdir(parents=True, exist_ok=True)
    parts: dict[str, NDArray[np.generic]] = {}
    for name, arrays in columns.items():
        parts |= _packed(name, arrays)
    temporary = path.with_suffix(".tmp.npz")
    np.savez(temporary, **parts)  # type: ignore[arg-type]
    temporary.rename(path)


def load_shard(path: Path) -> dict[str, list[NDArray[np.generic]]]:
    """Load all columns of a shard."""
    with np.load(path) as data:
        parts = dict(data)
    names = [name for name in parts if not name.endswith("_lengths")]
    return {name: _unpacked(parts, name) for name in names}
