"""Small files in one flat folder, on this machine or at any fsspec URL, shared by several replicas.

A file is there whole or not at all, and of those who create the same name at once exactly one wins.
Knows bytes and file names, which it trusts; knows nothing of voices.
"""

import errno
import logging
import os
import secrets
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import fsspec  # type: ignore[import-untyped]
from fsspec.implementations.local import LocalFileSystem  # type: ignore[import-untyped]

from barkserve.errors import StartupError, StoreUnavailable

_log = logging.getLogger(__name__)

_TEMPORARY = ".tmp-"
_TEMPORARY_SECONDS = 3600.0  # older ones were left by a process that was killed
# What of a listing changes when a file does; each file system has its own words for it.
_MARKS = (
    *("size", "ETag", "etag", "generation", "LastModified", "last_modified", "updated", "mtime"),
    "created",
)


class BlobStore(ABC):
    """The files of one folder. All methods block; each raises StoreUnavailable when it cannot.

    Attributes:
        shown: the folder, for messages.
    """

    shown: str

    @abstractmethod
    def list(self) -> dict[str, str]:
        """File names, each with a mark that changes when the file does. A folder that does not
        exist is empty.
        """

    @abstractmethod
    def read(self, name: str, limit: int) -> bytes | None:
        """The first `limit` bytes of a file, None if there is none."""

    @abstractmethod
    def create(self, name: str, data: bytes) -> bool:
        """Write a new file; False, and nothing is changed, if there is one."""

    @abstractmethod
    def replace(self, name: str, data: bytes) -> None:
        """Write a file, whether or not there is one."""

    @abstractmethod
    def delete(self, name: str) -> bool:
        """Remove a file; False if there is none."""

    @abstractmethod
    def child(self, name: str) -> "BlobStore":
        """A folder in this one."""

    @abstractmethod
    def check_writable(self, *, thoroughly: bool) -> None:
        """Raise StoreUnavailable if it shows that nothing can be written; `thoroughly` may take a
        while.
        """

    @contextmanager
    def _reading(self) -> Iterator[None]:
        """What is not there reads as nothing; what fails is reported."""
        with suppress(FileNotFoundError), self._reported("read", FileNotFoundError):
            yield

    @contextmanager
    def _writing(self) -> Iterator[None]:
        with self._reported("written"):
            yield

    @contextmanager
    def _reported(self, doing: str, *expected: type[Exception]) -> Iterator[None]:
        """Turns whatever a file system raises into one line; each has its own dozen types."""
        try:
            yield
        except expected:
            raise
        except Exception as error:
            _log.debug("the voice store failed", exc_info=error)
            reason = getattr(error, "strerror", None) or str(error).partition("\n")[0][:200]
            failure = StoreUnavailable(
                f"the voice store {self.shown} cannot be {doing} ({type(error).__name__}: {reason})"
            )
            _log.warning("%s", failure)
            raise failure from error


def open_blob_store(location: str) -> BlobStore:
    """The folder at a path or an fsspec URL (s3://bucket/voices); it need not exist yet.

    Raises:
        StartupError: the URL is wrong, or what it needs is not installed.
    """
    if "://" not in location and "::" not in location:
        return FolderBlobStore(_folder(Path(location).expanduser()))
    try:
        filesystem, root = fsspec.core.url_to_fs(location)
    except Exception as error:
        reason = str(error).partition("\n")[0]
        raise StartupError(f"--voice-store: {location!r} cannot be opened ({reason})") from error
    if isinstance(filesystem, LocalFileSystem):
        return FolderBlobStore(_folder(Path(root)))
    return ObjectBlobStore(filesystem, root)


def _folder(path: Path) -> Path:
    if path.exists() and not path.is_dir():
        raise StartupError(f"--voice-store: {path} is no folder")
    return path


class FolderBlobStore(BlobStore):
    """A folder of this machine, or one that it mounts; the file system must know hard links."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.shown = str(folder)

    def list(self) -> dict[str, str]:
        with self._reading():
            self._remove_left_over()
            return {
                entry.name: _mark(entry.stat())
                for entry in os.scandir(self._folder)
                if entry.is_file() and not entry.name.startswith(".")
            }
        return {}

    def read(self, name: str, limit: int) -> bytes | None:
        with self._reading(), open(self._file(name), "rb") as f:
            return f.read(limit)
        return None

    def create(self, name: str, data: bytes) -> bool:
        with self._writing(), self._written(data) as temporary:
            try:
                os.link(temporary, self._file(name))
            except FileExistsError:
                return False
        return True

    def replace(self, name: str, data: bytes) -> None:
        with self._writing(), self._written(data) as temporary:
            os.replace(temporary, self._file(name))

    def delete(self, name: str) -> bool:
        with self._writing():
            try:
                self._file(name).unlink()
            except FileNotFoundError:
                return False
        return True

    def child(self, name: str) -> BlobStore:
        return FolderBlobStore(self._folder / name)

    def check_writable(self, *, thoroughly: bool) -> None:
        there = next(path for path in (self._folder, *self._folder.parents) if path.exists())
        with self._writing():
            if not there.is_dir():
                raise NotADirectoryError(errno.ENOTDIR, f"{there} is no folder")
            if not os.access(there, os.W_OK | os.X_OK):
                raise PermissionError(errno.EACCES, f"{there} is read-only for this service")

    def _file(self, name: str) -> Path:
        return self._folder / name

    @contextmanager
    def _written(self, data: bytes) -> Iterator[Path]:
        """A temporary file that holds the data and lies on the disk."""
        self._folder.mkdir(parents=True, exist_ok=True)
        temporary = self._folder / f"{_TEMPORARY}{secrets.token_hex(8)}"
        try:
            with open(temporary, "xb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            yield temporary
        finally:
            temporary.unlink(missing_ok=True)

    def _remove_left_over(self) -> None:
        oldest = time.time() - _TEMPORARY_SECONDS
        for file in self._folder.glob(f"{_TEMPORARY}*"):
            with suppress(OSError):
                if file.stat().st_mtime < oldest:
                    file.unlink()


class ObjectBlobStore(BlobStore):
    """Any other file system of fsspec's: S3, GCS, Azure, memory. Objects are written whole."""

    def __init__(self, filesystem: Any, root: str) -> None:
        self._filesystem = filesystem
        self._root = root.rstrip("/")
        protocol = filesystem.protocol
        self.shown = f"{protocol if isinstance(protocol, str) else protocol[0]}://{self._root}"
        # Where a file system has no conditional write of its own, at least this process's threads
        # do not overtake each other.
        self._one_writer = threading.Lock()

    def list(self) -> dict[str, str]:
        with self._reading():
            self._filesystem.invalidate_cache()
            return {
                str(entry["name"]).rpartition("/")[2]: repr([entry.get(mark) for mark in _MARKS])
                for entry in self._filesystem.ls(self._root, detail=True)
                if entry["type"] == "file"
            }
        return {}

    def read(self, name: str, limit: int) -> bytes | None:
        with self._reading():
            data: bytes = self._filesystem.cat_file(self._file(name), start=0, end=limit)
            return data
        return None

    def create(self, name: str, data: bytes) -> bool:
        with self._writing(), self._one_writer:
            try:
                self._filesystem.pipe_file(self._file(name), data, mode="create")
            except FileExistsError:
                return False
        return True

    def replace(self, name: str, data: bytes) -> None:
        with self._writing(), self._one_writer:
            self._filesystem.pipe_file(self._file(name), data)

    def delete(self, name: str) -> bool:
        with self._writing():
            self._filesystem.invalidate_cache()
            try:
                self._filesystem.info(self._file(name))  # many remove what is not there silently
                self._filesystem.rm_file(self._file(name))
            except FileNotFoundError:
                return False
        return True

    def child(self, name: str) -> BlobStore:
        return ObjectBlobStore(self._filesystem, f"{self._root}/{name}")

    def check_writable(self, *, thoroughly: bool) -> None:
        if thoroughly:  # only writing tells
            name = f"{_TEMPORARY}{secrets.token_hex(8)}"
            self.replace(name, b"")
            self.delete(name)

    def _file(self, name: str) -> str:
        return f"{self._root}/{name}"


def _mark(status: os.stat_result) -> str:
    return f"{status.st_ino}-{status.st_mtime_ns}-{status.st_size}"
