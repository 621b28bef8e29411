"""A checkpoint in the Hugging Face layout, found and read as far as that needs no torch.

Knows where its files lie, how to fetch them from the hub, and its two JSON configurations; knows
nothing of tensors, voices or text.
"""

import hashlib
import importlib.resources
import json
import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self

from barkserve.checkpoint.bark_config import BarkConfig
from barkserve.checkpoint.bark_config_json import parse_bark_config
from barkserve.checkpoint.download_progress import DownloadProgress, bar_class
from barkserve.errors import CheckpointError

MANIFEST_FILE = "barkserve-manifest.json"
"""In a folder that `barkserve fetch` made."""

_DESCRIPTION_FILES = ("*.json", "vocab.txt")
_SAFETENSORS_FILES = ("model*.safetensors",)
_MAX_HEADER_BYTES = 100 << 20  # safetensors' own limit
_BIN_FILES = ("pytorch_model*.bin",)


@dataclass(frozen=True)
class CheckpointFolder:
    """A folder that holds a Bark checkpoint.

    Args:
        path: the folder.
        name: the hub name it was opened by, else the folder's own name.
        revision: the hub's commit, None if the folder did not come from the hub.
        config: config.json as it stands.
        generation: generation_config.json as it stands.
        bark: both, parsed and checked.
    """

    path: Path
    name: str
    revision: str | None
    config: dict[str, Any]
    generation: dict[str, Any]
    bark: BarkConfig

    @classmethod
    def open(cls, name_or_path: str | os.PathLike[str], *, weights: bool = False) -> Self:
        """Opens a folder, or fetches a hub name such as "suno/bark-small" first.

        Args:
            name_or_path: a folder, or an owner/name of the hub where there is no such folder.
            weights: whether a hub name's weights are fetched too. VoiceLibrary fetches its voices.
        """
        given = os.fspath(name_or_path)
        path = Path(given).expanduser()
        if path.is_dir():
            return cls._read(path, _fetched_name(path) or path.resolve().name, None)
        if not _may_be_hub_name(given) or path.exists():
            raise CheckpointError(
                f"checkpoint {given!r} is no folder: give a folder or a hub name (owner/name)"
            )
        snapshot = _fetch(given, weights=weights)
        return cls._read(snapshot, given, snapshot.name)

    @cached_property
    def fingerprint(self) -> str:
        """Which state of the checkpoint this is: the hub's commit, else a digest of its two
        configurations and of its weights' names, shapes and sizes.
        """
        if self.revision is not None:
            return self.revision
        digest = hashlib.sha256()
        for file in sorted(self.path.glob("*")):
            if file.name in ("config.json", "generation_config.json"):
                digest.update(file.read_bytes())
            elif any(file.match(pattern) for pattern in (*_SAFETENSORS_FILES, *_BIN_FILES)):
                digest.update(f"{file.name} {file.stat().st_size}".encode())
                digest.update(_safetensors_header(file))
        return f"sha256:{digest.hexdigest()[:32]}"

    @classmethod
    def _read(cls, path: Path, name: str, revision: str | None) -> Self:
        config = read_json_object(path / "config.json")
        generation = read_json_object(path / "generation_config.json")
        try:
            bark = parse_bark_config(config, generation)
        except CheckpointError as error:
            raise CheckpointError(f"checkpoint {path}: {error}") from None
        return cls(path, name, revision, config, generation, bark)


def _safetensors_header(file: Path) -> bytes:
    """The JSON in front of the weights: 8 bytes of its length, then itself; nothing of other
    files.
    """
    if file.suffix != ".safetensors":
        return b""
    with file.open("rb") as stream:
        length = int.from_bytes(stream.read(8), "little")
        return stream.read(min(length, _MAX_HEADER_BYTES))


def bundled_checkpoint() -> Path:
    """The folder of bark-mini, the checkpoint that comes with the package."""
    return Path(str(importlib.resources.files("barkserve"))) / "bundled" / "bark-mini"


def read_json_object(path: Path) -> dict[str, Any]:
    """Reads a file of the checkpoint that holds one JSON object."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise CheckpointError(
            f"{path} is missing: give a folder that holds a whole checkpoint"
        ) from None
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError):
        raise CheckpointError(
            f"{path} is broken (no valid JSON): fetch the checkpoint again"
        ) from None
    if not isinstance(value, dict):
        raise CheckpointError(f"{path} is broken (no JSON object): fetch the checkpoint again")
    return value


def fetch_file(repository: str, filename: str, revision: str) -> Path:
    """Fetches one file of the hub, or finds it where it was fetched before."""
    import huggingface_hub  # slow to import, and only hub names need it

    try:
        return Path(huggingface_hub.hf_hub_download(repository, filename, revision=revision))
    except Exception as error:
        raise hub_error(f"{filename} of {repository!r}", error) from error


def _fetched_name(path: Path) -> str:
    """The checkpoint that `barkserve fetch` took a folder from; empty for any other folder."""
    manifest = path / MANIFEST_FILE
    return str(read_json_object(manifest).get("checkpoint", "")) if manifest.exists() else ""


def _may_be_hub_name(name: str) -> bool:
    owner, _, rest = name.partition("/")
    return bool(owner.strip(".~") and rest) and "/" not in rest


def _fetch(repository: str, *, weights: bool) -> Path:
    """Fetches what a stage needs; .bin files only where there is no safetensors file."""
    patterns = [*_DESCRIPTION_FILES, *(_SAFETENSORS_FILES if weights else ())]
    snapshot = _snapshot(repository, patterns, None)
    if weights and not any(snapshot.glob(_SAFETENSORS_FILES[0])):
        _snapshot(repository, list(_BIN_FILES), snapshot.name)
    return snapshot


def _snapshot(repository: str, patterns: list[str], revision: str | None) -> Path:
    import huggingface_hub

    try:
        return Path(
            huggingface_hub.snapshot_download(
                repository,
                revision=revision,
                allow_patterns=patterns,
                tqdm_class=bar_class(DownloadProgress(f"checkpoint {repository}")),
            )
        )
    except Exception as error:
        raise hub_error(f"checkpoint {repository!r}", error) from error


def hub_error(what: str, error: Exception) -> CheckpointError:
    """Says what to do. All kinds come here: the hub's client changes its HTTP library at times."""
    from huggingface_hub import errors

    if isinstance(error, errors.GatedRepoError):
        return CheckpointError(
            f"{what}: the hub asks for permission: accept its terms there, then `hf auth login`"
        )
    if isinstance(error, errors.RepositoryNotFoundError | errors.HFValidationError):
        return CheckpointError(
            f"{what}: neither a folder here nor a repository of the hub: check the spelling"
        )
    if isinstance(error, errors.EntryNotFoundError) and not isinstance(
        error, errors.LocalEntryNotFoundError
    ):
        return CheckpointError(f"{what}: no such file on the hub")
    reason = (str(error).strip().splitlines() or [""])[0]
    return CheckpointError(
        f"{what} is not here and cannot be fetched from the hub: check the model or give a"
        f" folder ({type(error).__name__}: {reason[:200]})"
    )
