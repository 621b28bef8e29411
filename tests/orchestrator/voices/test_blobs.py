"""Files of the voice store: whole or not there, one winner, in a folder and elsewhere."""

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
def files(location: str) -> BlobStore:
    return open_blob_store(location)


def test_a_folder_that_is_not_there_is_empty(files: BlobStore) -> None:
    assert files.list() == {}
    assert files.read("a.npz", 100) is None
    assert not files.delete("a.npz")


def test_what_is_written_is_read_by_others(files: BlobStore, location: str) -> None:
    assert files.create("a.npz", b"one")
    other = open_blob_store(location)
    assert (other.read("a.npz", 100), other.read("a.npz", 2)) == (b"one", b"on")
    assert not other.create("a.npz", b"two")
    assert files.read("a.npz", 100) == b"one"
    before = files.list()
    other.replace("a.npz", b"three")
    assert files.read("a.npz", 100) == b"three"
    assert files.list().keys() == before.keys() == {"a.npz"}
    assert files.list() != before  # the mark tells that it is another
    assert files.delete("a.npz")
    assert other.list() == {}


def test_a_child_is_a_folder_of_its_own(files: BlobStore) -> None:
    files.create("a.npz", b"one")
    files.child("b").create("c.npz", b"two")
    assert (set(files.list()), set(files.child("b").list())) == ({"a.npz"}, {"c.npz"})


def test_of_many_that_create_one_wins(location: str) -> None:
    begin = threading.Barrier(8)

    def create(number: int) -> bool:
        files = open_blob_store(location) if "://" not in location else shared
        begin.wait()
        return files.create("a.npz", bytes([number]) * 10_000)

    shared = open_blob_store(location)
    with ThreadPoolExecutor(8) as threads:
        won = list(threads.map(create, range(8)))
    assert sum(won) == 1
    assert shared.read("a.npz", 20_000) == bytes([won.index(True)]) * 10_000


def test_no_reader_sees_half_a_file(tmp_path: Path) -> None:
    files, versions = FolderBlobStore(tmp_path), [bytes([n]) * 300_000 for n in range(20)]
    files.create("a.npz", versions[0])
    seen: set[bytes | None] = set()
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            seen.add(files.read("a.npz", 400_000))

    reader = threading.Thread(target=read)
    reader.start()
    for version in versions:
        files.replace("a.npz", version)
    done.set()
    reader.join()
    assert seen <= set(versions)
    assert os.listdir(tmp_path) == ["a.npz"]


def test_what_a_killed_writer_left_is_no_voice_and_is_removed_later(tmp_path: Path) -> None:
    files, left = FolderBlobStore(tmp_path), tmp_path / ".tmp-1234"
    left.write_bytes(b"half")
    assert files.list() == {}
    assert left.exists()  # it may still be being written
    os.utime(left, (0, 0))
    files.list()
    assert not left.exists()


@pytest.mark.parametrize(
    ("location", "message"),
    [
        (lambda tmp: str(tmp / "a.txt"), "is no folder"),
        (lambda tmp: f"file://{tmp}/a.txt", "is no folder"),
        (lambda tmp: "nosuch://bucket", "nosuch"),
    ],
)
def test_a_wrong_place_is_said_at_once(
    location: Callable[[Path], str], message: str, tmp_path: Path
) -> None:
    (tmp_path / "a.txt").touch()
    with pytest.raises(StartupError, match=f"--voice-store.*{message}"):
        open_blob_store(location(tmp_path))


def test_a_store_that_fails_says_so_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "voices").write_text("no folder any more")
    files = FolderBlobStore(tmp_path / "voices")
    for fail in (
        files.list,
        lambda: files.create("a.npz", b""),
        lambda: files.replace("a.npz", b""),
        lambda: files.read("a.npz", 1),
    ):
        with pytest.raises(StoreUnavailable, match=r"the voice store .*voices cannot be") as caught:
            fail()
        assert "\n" not in str(caught.value)
