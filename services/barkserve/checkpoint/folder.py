"""A checkpoint in the Hugging Face layout: finds its folder, or fetches it from the hub.

Reads its two JSON configurations. Needs no torch; tensors.py reads the weights.
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
"""Written by `barkserve fetch`."""

_DESCRIPTION_FILES = ("*.json", "vocab.txt")
_SAFETENSORS_FILES = ("model*.safetensors",)
_MAX_HEADER_BYTES = 100 << 20  # the limit of safetensors
_BIN_FILES = ("pytorch_model*.bin",)


@dataclass(frozen=True)
class CheckpointFolder:
    """A folder with a Bark checkpoint.

    Attributes:
        path: the folder.
        name: the hub name that it was opened by, else the folder's name.
        revision: the hub's commit; None if the folder is not from the hub's cache.
        config: the contents of config.json.
        generation: the contents of generation_config.json.
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
        """Open a folder, or fetch a hub repository such as "suno/bark-small".

        Args:
            name_or_path: a folder, or owner/name of a hub repository if there is no such folder;
                owner/name@revision for a commit, branch or tag of it.
            weights: whether to fetch the weights as well. VoiceLibrary fetches the voices.

        Raises:
            CheckpointError: there is no such folder or repository, or a file is missing or broken.
        """
        given = os.fspath(name_or_path)
        path = Path(given).expanduser()
        if path.is_dir():
            source = _fetched_from(path).get("checkpoint", "")
            return cls._read(path, _without_revision(source) or path.resolve().name, None)
        if not _may_be_hub_name(given) or path.exists():
            raise CheckpointError(
                f"checkpoint {given!r} is not a folder: give a folder or a hub name (owner/name)"
            )
        name = _without_revision(given)
        snapshot = _fetch(name, given[len(name) + 1 :] or None, weights=weights)
        return cls._read(snapshot, name, snapshot.name)

    @cached_property
    def fingerprint(self) -> str:
        """Identifies the version of the checkpoint: the hub's commit, else a digest.

        The digest covers the two configurations and the names, shapes and sizes of the weights. A
        part that `barkserve fetch` wrote has the fingerprint of its source.
        """
        if known := self.revision or _fetched_from(self.path).get("revision"):
            return str(known)
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
    """Read the JSON header of a .safetensors file; empty for other files.

    The header follows 8 bytes with its length.
    """
    if file.suffix != ".safetensors":
        return b""
    with file.open("rb") as stream:
        length = int.from_bytes(stream.read(8), "little")
        return stream.read(min(length, _MAX_HEADER_BYTES))


def bundled_checkpoint() -> Path:
    """Return the folder of the bundled model, bark-mini."""
    return Path(str(importlib.resources.files("barkserve"))) / "bundled" / "bark-mini"


def read_json_object(path: Path) -> dict[str, Any]:
    """Read a file of the checkpoint with one JSON object.

    Raises:
        CheckpointError: the file is missing or broken.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise CheckpointError(
            f"{path} is missing: give a folder with a complete checkpoint"
        ) from None
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError):
        raise CheckpointError(
            f"{path} is broken (invalid JSON): fetch the checkpoint again"
        ) from None
    if not isinstance(value, dict):
        raise CheckpointError(f"{path} is broken (not a JSON object): fetch the checkpoint again")
    return value


def fetch_file(repository: str, filename: str, revision: str) -> Path:
    """Fetch one file from the hub, or find it in the cache.

    Raises:
        CheckpointError: the file cannot be fetched.
    """
    import huggingface_hub  # slow to import; only needed for the hub

    try:
        return Path(huggingface_hub.hf_hub_download(repository, filename, revision=revision))
    except Exception as error:
        raise hub_error(f"{filename} of {repository!r}", error) from error


def _fetched_from(path: Path) -> dict[str, Any]:
    """Return the manifest of a folder that `barkserve fetch` wrote; empty: not written by it."""
    manifest = path / MANIFEST_FILE
    return read_json_object(manifest) if manifest.exists() else {}


def _without_revision(name: str) -> str:
    """Return the owner/name of owner/name@revision."""
    return name.partition("@")[0] if _may_be_hub_name(name) else name


def _may_be_hub_name(name: str) -> bool:
    owner, _, rest = name.partition("@")[0].partition("/")
    return bool(owner.strip(".~") and rest) and "/" not in rest


def _fetch(repository: str, revision: str | None, *, weights: bool) -> Path:
    """Fetch what a stage needs; .bin files only if there are no safetensors files."""
    patterns = [*_DESCRIPTION_FILES, *(_SAFETENSORS_FILES if weights else ())]
    snapshot = _snapshot(repository, patterns, revision)
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
    """Convert an error of the hub's client to a CheckpointError that says what to do.

    Any exception is accepted: the client has changed its HTTP library before.
    """
    from huggingface_hub import errors

    if isinstance(error, errors.GatedRepoError):
        return CheckpointError(
            f"{what} is gated: accept its terms on the hub, then run `hf auth login`"
        )
    if isinstance(error, errors.RepositoryNotFoundError | errors.HFValidationError):
        return CheckpointError(
            f"{what}: neither a folder nor a repository of the hub: check the spelling"
        )
    if isinstance(error, errors.EntryNotFoundError) and not isinstance(
        error, errors.LocalEntryNotFoundError
    ):
        return CheckpointError(f"{what}: no such file on the hub")
    reason = (str(error).strip().splitlines() or [""])[0]
    return CheckpointError(
        f"{what} is not in the cache and cannot be fetched from the hub: check the network, or"
        f" give a folder ({type(error).__name__}: {reason[:200]})"
    )
