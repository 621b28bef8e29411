"""The manifest of a fetched folder: its files and their checksums."""

import hashlib
import json
import os
import secrets
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Self

from barkserve.checkpoint.folder import MANIFEST_FILE
from barkserve.errors import CheckpointError

_CHUNK = 1 << 20


@dataclass(frozen=True)
class Manifest:
    """The contents of a fetched folder.

    Attributes:
        checkpoint: hub name or folder of the source.
        revision: the fingerprint of the source: the hub's commit, or a digest.
        stage: the service that uses the folder.
        files: path in the folder to sha256, hexadecimal.
    """

    checkpoint: str
    revision: str
    stage: str
    files: dict[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, folder: Path) -> Self | None:
        """Read a folder's manifest; None if there is none.

        Raises:
            CheckpointError: the manifest is broken.
        """
        try:
            return cls(**json.loads((folder / MANIFEST_FILE).read_text()))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, TypeError) as error:
            raise CheckpointError(
                f"{folder / MANIFEST_FILE} is broken: fetch the checkpoint again"
            ) from error

    def write(self, folder: Path) -> None:
        """Write the manifest to a folder atomically."""
        part = part_of(folder / MANIFEST_FILE)
        part.write_text(json.dumps(asdict(self), indent=1))
        os.replace(part, folder / MANIFEST_FILE)

    def broken(self, folder: Path) -> list[str]:
        """List the files that are missing or whose checksum differs."""
        return [name for name, digest in self.files.items() if sha256(folder / name) != digest]


def part_of(path: Path) -> Path:
    """Return a temporary name for a file that is being written.

    The name is unique, because replicas can share a volume.
    """
    return path.with_name(f"{path.name}.{secrets.token_hex(4)}.part")


def sha256(path: Path) -> str:
    """Compute a file's checksum; empty if it cannot be read."""
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
    except OSError:
        return ""
    return digest.hexdigest()
