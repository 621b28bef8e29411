"""Blob stores in a folder and elsewhere: atomic writes, and one winner of concurrent ones."""

import logging
import os
import secrets
import socket
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
    assert blobs.list().versions == {}
    assert blobs.read("a.npz", 100) is None
    assert not blobs.delete("a.npz")


def test_other_stores_read_what_was_written(blobs: BlobStore, location: str) -> None:
    assert blobs.create("a.npz", b"one")
    other = open_blob_store(location)
    assert (other.read("a.npz", 100), other.read("a.npz", 2)) == (b"one", b"on")
    assert not other.create("a.npz", b"two")
    assert blobs.read("a.npz", 100) == b"one"
    before = blobs.list().versions
    other.replace("a.npz", b"three")
    assert blobs.read("a.npz", 100) == b"three"
    assert blobs.list().versions.keys() == before.keys() == {"a.npz"}
    assert blobs.list().versions != before  # the version has changed
    assert blobs.delete("a.npz")
    assert other.list().versions == {}


def test_subfolder_has_its_own_files(blobs: BlobStore) -> None:
    blobs.create("a.npz", b"one")
    blobs.subfolder("b").create("c.npz", b"two")
    assert (set(blobs.list().versions), set(blobs.subfolder("b").list().versions)) == (
        {"a.npz"},
        {"c.npz"},
    )


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
    assert blobs.list().versions == {}
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


def _make_fifo(path: Path) -> None:
    os.mkfifo(path)


def _make_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))


def _make_folder(path: Path) -> None:
    path.mkdir()


def _link_to_itself(path: Path) -> None:
    path.symlink_to(path.name)


def _link_to_nothing(path: Path) -> None:
    path.symlink_to("absent")


def _link_to_device(path: Path) -> None:
    path.symlink_to("/dev/zero")


@pytest.mark.parametrize(
    "make",
    [_make_fifo, _make_socket, _make_folder, _link_to_itself, _link_to_nothing, _link_to_device],
)
def test_folder_store_ignores_what_is_not_a_file(
    make: Callable[[Path], None], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    blobs = FolderBlobStore(tmp_path)
    blobs.create("good.npz", b"one")
    (tmp_path / "link.npz").symlink_to("good.npz")
    make(tmp_path / "odd.npz")
    for _ in range(3):
        assert set(blobs.list().versions) == {"good.npz", "link.npz"}
    assert blobs.read("odd.npz", 100) is None
    assert not blobs.delete("odd.npz")
    for write in (blobs.create, blobs.replace):
        with pytest.raises(StoreUnavailable, match=r"odd\.npz is not a regular file: remove it"):
            write("odd.npz", b"two")
    assert os.path.lexists(tmp_path / "odd.npz")
    warnings = [each for each in caplog.messages if "ignored" in each]
    assert len(warnings) == (0 if make is _make_folder else 1)
    assert all(str(tmp_path) in each and "'odd.npz'" in each for each in warnings)
    assert blobs.read("link.npz", 100) == b"one"
    assert blobs.delete("link.npz")


def test_folder_store_reports_each_odd_entry_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    blobs = FolderBlobStore(tmp_path)
    for name in ("a.npz", "b.npz", "a.npz"):
        if not os.path.lexists(tmp_path / name):
            _link_to_itself(tmp_path / name)
        blobs.list()
    assert [each.split("'")[1] for each in caplog.messages] == ["a.npz", "b.npz"]


def test_listing_has_folders_and_files(blobs: BlobStore) -> None:
    blobs.create("a.npz", b"one")
    blobs.subfolder("b").create("c.npz", b"two")
    listing = blobs.list()
    assert (set(listing.versions), listing.folders) == ({"a.npz"}, {"b"})
    assert blobs.subfolder("b").list().folders == frozenset()
