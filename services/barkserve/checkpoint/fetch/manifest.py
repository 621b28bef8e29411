"""What a fetched folder holds, with checksums. Knows no checkpoint."""

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
    """A fetched folder's table of contents.

    Attributes:
        checkpoint: the name or folder it was taken from.
        revision: the hub's commit, empty without.
        stage: the service it is for.
        files: path in the folder to sha256, in hexadecimal digits.
    """

    checkpoint: str
    revision: str
    stage: str
    files: dict[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, folder: Path) -> Self | None:
        """The manifest of a folder, None without. Raises CheckpointError if it is broken."""
        try:
            return cls(**json.loads((folder / MANIFEST_FILE).read_text()))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, TypeError) as error:
            raise CheckpointError(
                f"{folder / MANIFEST_FILE} is broken: fetch the checkpoint again"
            ) from error

    def write(self, folder: Path) -> None:
        """Put it into the folder, whole or not at all."""
        part = part_of(folder / MANIFEST_FILE)
        part.write_text(json.dumps(asdict(self), indent=1))
        os.replace(part, folder / MANIFEST_FILE)

    def broken(self, folder: Path) -> list[str]:
        """Files that are missing or do not have their checksum."""
        return [name for name, digest in self.files.items() if sha256(folder / name) != digest]


def part_of(path: Path) -> Path:
    """Where to write a file before it is put in place: a name of its own for everybody who does so
    at the same time, for replicas may share a volume.
    """
    return path.with_name(f"{path.name}.{secrets.token_hex(4)}.part")


def sha256(path: Path) -> str:
    """A file's checksum; empty if it cannot be read."""
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
    except OSError:
        return ""
    return digest.hexdigest()
