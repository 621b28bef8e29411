"""Blob stores in a folder and elsewhere: atomic writes, and one winner of concurrent ones."""

import os
import secrets
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from barkserve.errors import StartupError, StoreUnavailable
from barkserve.orchestrator.voices.blobs import BlobStore, FolderBlobStore, open_blob_store


@pytest.fixture(params=["folder", "file://", "memory://"])
def location(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "memory://":
        return f"memory://{secrets.token_hex(8)}/voices"
    return request.param.removeprefix("folder") + str(tmp_path / "some" / "voices")


@pytest.fixture
def blobs(location: str) -> BlobStore:
    return open_blob_store(location)


def test_missing_folder_is_empty(blobs: BlobStore) -> None:
    assert blobs.list() == {}
    assert blobs.read("a.npz", 100) is None
    assert not blobs.delete("a.npz")


def test_other_stores_read_what_was_written(blobs: BlobStore, location: str) -> None:
    assert blobs.create("a.npz", b"one")
    other = open_blob_store(location)
    assert (other.read("a.npz", 100), other.read("a.npz", 2)) == (b"one", b"on")
    assert not other.create("a.npz", b"two")
    assert blobs.read("a.npz", 100) == b"one"
    before = blobs.list()
    other.replace("a.npz", b"three")
    assert blobs.read("a.npz", 100) == b"three"
    assert blobs.list().keys() == before.keys() == {"a.npz"}
    assert blobs.list() != before  # the version has changed
    assert blobs.delete("a.npz")
    assert other.list() == {}


def test_subfolder_has_its_own_files(blobs: BlobStore) -> None:
    blobs.create("a.npz", b"one")
    blobs.subfolder("b").create("c.npz", b"two")
    assert (set(blobs.list()), set(blobs.subfolder("b").list())) == ({"a.npz"}, {"c.npz"})


def test_one_of_many_concurrent_creates_succeeds(location: str) -> None:
    start = threading.Barrier(8)

    def create(number: int) -> bool:
        blobs = open_blob_store(location) if "://" not in location else shared
        start.wait()
        return blobs.create("a.npz", bytes([number]) * 10_000)

    shared = open_blob_store(location)
    with ThreadPoolExecutor(8) as threads:
        won = list(threads.map(create, range(8)))
    assert sum(won) == 1
    assert shared.read("a.npz", 20_000) == bytes([won.index(True)]) * 10_000


def test_readers_see_complete_files_only(tmp_path: Path) -> None:
    blobs, versions = FolderBlobStore(tmp_path), [bytes([n]) * 300_000 for n in range(20)]
    blobs.create("a.npz", versions[0])
    seen: set[bytes | None] = set()
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            seen.add(blobs.read("a.npz", 400_000))

    reader = threading.Thread(target=read)
    reader.start()
    for version in versions:
        blobs.replace("a.npz", version)
    done.set()
    reader.join()
    assert seen <= set(versions)
    assert os.listdir(tmp_path) == ["a.npz"]


def test_temporary_files_of_killed_writers_are_deleted(tmp_path: Path) -> None:
    blobs, left = FolderBlobStore(tmp_path), tmp_path / ".tmp-1234"
    left.write_bytes(b"half")
    assert blobs.list() == {}
    assert left.exists()  # it may still be written
    os.utime(left, (0, 0))
    blobs.list()
    assert not left.exists()


@pytest.mark.parametrize(
    ("location", "message"),
    [
        (lambda tmp: str(tmp / "a.txt"), "is not a folder"),
        (lambda tmp: f"file://{tmp}/a.txt", "is not a folder"),
        (lambda tmp: "nosuch://bucket", "nosuch"),
    ],
)
def test_open_blob_store_reports_wrong_locations(
    location: Callable[[Path], str], message: str, tmp_path: Path
) -> None:
    (tmp_path / "a.txt").touch()
    with pytest.raises(StartupError, match=f"--voice-store.*{message}"):
        open_blob_store(location(tmp_path))


def test_store_failures_are_reported_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "voices").write_text("not a folder any more")
    blobs = FolderBlobStore(tmp_path / "voices")
    for fail in (
        blobs.list,
        lambda: blobs.create("a.npz", b""),
        lambda: blobs.replace("a.npz", b""),
        lambda: blobs.read("a.npz", 1),
    ):
        with pytest.raises(StoreUnavailable, match=r"the voice store .*voices cannot be") as caught:
            fail()
        assert "\n" not in str(caught.value)
