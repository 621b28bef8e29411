"""Stores small files in one flat folder, local or at an fsspec URL, for several replicas.

Writes are atomic. If several writers create the same name at once, exactly one succeeds. File names
are trusted: the caller must check them.
"""

import errno
import logging
import os
import secrets
import stat
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import fsspec  # type: ignore[import-untyped]
from fsspec.implementations.local import LocalFileSystem  # type: ignore[import-untyped]

from barkserve.errors import StartupError, StoreUnavailable
from barkserve.regular_file import NotRegularFileError, is_regular_file, read_regular_file

_log = logging.getLogger(__name__)

_TEMPORARY = ".tmp-"
_MAX_TEMPORARY_AGE_S = 3600.0  # older temporary files belong to a writer that was killed
# Keys of a listing that change with a file. Each file system has its own names for them.
_VERSION_KEYS = (
    *("size", "ETag", "etag", "generation", "LastModified", "last_modified", "updated", "mtime"),
    "created",
)


@dataclass(frozen=True)
class Listing:
    """The entries of a folder.

    Attributes:
        versions: file names, each with a version that changes when the file does.
        folders: the names of folders.
    """

    versions: dict[str, str] = field(default_factory=dict)
    folders: frozenset[str] = frozenset()


class BlobStore(ABC):
    """The files of one folder. All methods block and raise StoreUnavailable on failure.

    Only regular files and links to them are files of the store.

    Subclasses implement the underscored methods and may raise anything.

    Args:
        location: the folder, for messages.
    """

    def __init__(self, location: str) -> None:
        self.location = location

    def list(self) -> Listing:
        """Return the files and folders. A folder that does not exist is empty."""
        with self._translated_errors("read"), suppress(FileNotFoundError):
            return self._list()
        return Listing()

    def read(self, name: str, limit: int) -> bytes | None:
        """Return the first `limit` bytes of a file, or None if it does not exist."""
        with self._translated_errors("read"), suppress(FileNotFoundError):
            return self._read(name, limit)
        return None

    def create(self, name: str, data: bytes) -> bool:
        """Write a new file; return False and change nothing if it exists."""
        with self._translated_errors("written"):
            return self._create(name, data)

    def replace(self, name: str, data: bytes) -> None:
        """Write a file, whether or not it exists."""
        with self._translated_errors("written"):
            self._replace(name, data)

    def delete(self, name: str) -> bool:
        """Delete a file; return False if it does not exist."""
        with self._translated_errors("written"), suppress(FileNotFoundError):
            self._delete(name)
            return True
        return False

    def check_writable(self, *, probe: bool) -> None:
        """Raise StoreUnavailable if the folder cannot be written.

        Args:
            probe: whether to write a file where nothing else can tell. This may take long.
        """
        with self._translated_errors("written"):
            self._check_writable(probe)

    @abstractmethod
    def subfolder(self, name: str) -> "BlobStore":
        """Return the store of a folder in this one."""

    @abstractmethod
    def _list(self) -> Listing: ...

    @abstractmethod
    def _read(self, name: str, limit: int) -> bytes: ...

    @abstractmethod
    def _create(self, name: str, data: bytes) -> bool: ...

    @abstractmethod
    def _replace(self, name: str, data: bytes) -> None: ...

    @abstractmethod
    def _delete(self, name: str) -> None: ...

    @abstractmethod
    def _check_writable(self, probe: bool) -> None: ...

    @contextmanager
    def _translated_errors(self, action: str) -> Iterator[None]:
        """Turn all errors into StoreUnavailable: each file system has its own types."""
        try:
            yield
        except Exception as error:
            _log.debug("the voice store failed", exc_info=error)
            reason = getattr(error, "strerror", None) or str(error).partition("\n")[0][:200]
            failure = StoreUnavailable(
                f"the voice store {self.location} cannot be {action} "
                f"({type(error).__name__}: {reason})"
            )
            _log.warning("%s", failure)
            raise failure from error


def open_blob_store(location: str) -> BlobStore:
    """Open the folder at a path or an fsspec URL (s3://bucket/voices); it need not exist.

    Raises:
        StartupError: the URL is wrong, or a package that it needs is not installed.
    """
    if "://" not in location and "::" not in location:
        return FolderBlobStore(_check_folder(Path(location).expanduser()))
    try:
        filesystem, root = fsspec.core.url_to_fs(location)
    except Exception as error:
        reason = str(error).partition("\n")[0]
        raise StartupError(f"--voice-store: {location!r} cannot be opened ({reason})") from error
    if isinstance(filesystem, LocalFileSystem):
        return FolderBlobStore(_check_folder(Path(root)))
    return ObjectBlobStore(filesystem, root)


def _check_folder(path: Path) -> Path:
    if path.exists() and not path.is_dir():
        raise StartupError(f"--voice-store: {path} is not a folder")
    return path


class FolderBlobStore(BlobStore):
    """A local or mounted folder. Its file system must support hard links."""

    def __init__(self, folder: Path) -> None:
        super().__init__(str(folder))
        self._folder = folder
        self._reported: frozenset[str] = frozenset()  # entries that the log has named

    def subfolder(self, name: str) -> BlobStore:
        """Return the store of a folder in this one."""
        return FolderBlobStore(self._folder / name)

    def _list(self) -> Listing:
        self._delete_stale_temporary_files()
        versions, folders, others = {}, set(), {}
        for entry in os.scandir(self._folder):
            if entry.name.startswith("."):
                continue
            try:
                status = entry.stat()
            except OSError as error:
                if entry.is_symlink():
                    others[entry.name] = f"a link that leads nowhere ({error.strerror})"
                elif not isinstance(error, FileNotFoundError):  # else it was deleted just now
                    raise
                continue
            if stat.S_ISREG(status.st_mode):
                versions[entry.name] = _version(status)
            elif stat.S_ISDIR(status.st_mode):
                folders.add(entry.name)
            else:
                others[entry.name] = "a FIFO, a socket or a device"
        self._report_others(others)
        return Listing(versions, frozenset(folders))

    def _report_others(self, others: dict[str, str]) -> None:
        """Log each entry that is not a file once."""
        for name in sorted(others.keys() - self._reported):
            _log.warning(
                "voice store %s: %r is %s, not a regular file, and is ignored: remove it",
                *(self.location, name, others[name]),
            )
        self._reported = frozenset(others)

    def _read(self, name: str, limit: int) -> bytes:
        try:
            return read_regular_file(self._folder / name, limit)
        except NotRegularFileError as error:
            raise FileNotFoundError from error

    def _create(self, name: str, data: bytes) -> bool:
        with self._temporary_file(data) as temporary:
            try:
                os.link(temporary, self._folder / name)
            except FileExistsError:
                self._check_regular(name)
                return False
        return True

    def _replace(self, name: str, data: bytes) -> None:
        with self._temporary_file(data) as temporary:
            self._check_regular(name)
            os.replace(temporary, self._folder / name)

    def _check_regular(self, name: str) -> None:
        """Raise an error if something other than a file has the name."""
        file = self._folder / name
        if os.path.lexists(file) and not is_regular_file(file):
            raise NotRegularFileError(errno.EEXIST, f"{name} is not a regular file: remove it")

    def _delete(self, name: str) -> None:
        file = self._folder / name
        if not is_regular_file(file):
            raise FileNotFoundError(file)
        file.unlink()

    def _check_writable(self, probe: bool) -> None:
        existing = next(path for path in (self._folder, *self._folder.parents) if path.exists())
        if not existing.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, f"{existing} is not a folder")
        if not os.access(existing, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, f"{existing} is read-only for this service")

    @contextmanager
    def _temporary_file(self, data: bytes) -> Iterator[Path]:
        """A temporary file with the data, flushed to disk; deleted on exit if it still exists."""
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

    def _delete_stale_temporary_files(self) -> None:
        oldest = time.time() - _MAX_TEMPORARY_AGE_S
        for file in self._folder.glob(f"{_TEMPORARY}*"):
            with suppress(OSError):
                if file.stat().st_mtime < oldest:
                    file.unlink()


class ObjectBlobStore(BlobStore):
    """A folder of another fsspec file system, which writes objects atomically: S3, GCS, Azure."""

    def __init__(self, filesystem: Any, root: str) -> None:
        root, protocol = root.rstrip("/"), filesystem.protocol
        super().__init__(f"{protocol if isinstance(protocol, str) else protocol[0]}://{root}")
        self._filesystem = filesystem
        self._root = root
        # Not all file systems have conditional writes. The lock at least orders this process's.
        self._write_lock = threading.Lock()

    def subfolder(self, name: str) -> BlobStore:
        """Return the store of a folder in this one."""
        return ObjectBlobStore(self._filesystem, self._path(name))

    def _list(self) -> Listing:
        self._filesystem.invalidate_cache()
        entries = {
            path.rpartition("/")[2]: entry
            for entry in self._filesystem.ls(self._root, detail=True)
            if (path := str(entry["name"]).strip("/")) != self._root.strip("/")  # S3 lists both
        }
        versions = {
            name: repr([entry.get(key) for key in _VERSION_KEYS])
            for name, entry in entries.items()
            if entry["type"] == "file"
        }
        folders = (name for name, entry in entries.items() if entry["type"] == "directory")
        return Listing(versions, frozenset(folders))

    def _read(self, name: str, limit: int) -> bytes:
        data: bytes = self._filesystem.cat_file(self._path(name), start=0, end=limit)
        return data

    def _create(self, name: str, data: bytes) -> bool:
        with self._write_lock:
            try:
                self._filesystem.pipe_file(self._path(name), data, mode="create")
            except FileExistsError:
                return False
        return True

    def _replace(self, name: str, data: bytes) -> None:
        with self._write_lock:
            self._filesystem.pipe_file(self._path(name), data)

    def _delete(self, name: str) -> None:
        self._filesystem.invalidate_cache()
        self._filesystem.info(self._path(name))  # many delete a missing file without an error
        self._filesystem.rm_file(self._path(name))

    def _check_writable(self, probe: bool) -> None:
        if probe:  # only a write can tell
            name = f"{_TEMPORARY}{secrets.token_hex(8)}"
            self._replace(name, b"")
            self._delete(name)

    def _path(self, name: str) -> str:
        return f"{self._root}/{name}"


def _version(status: os.stat_result) -> str:
    return f"{status.st_ino}-{status.st_mtime_ns}-{status.st_size}"
