"""Voices with names and with handles: valid names, limits, other checkpoints, expiry."""

import threading
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from barkserve.checkpoint.bark_config import BarkConfig
from barkserve.checkpoint.folder import CheckpointFolder
from barkserve.checkpoint.voice_card import VoiceCard
from barkserve.checkpoint.voices import PROMPTS, Voice, parse_voice
from barkserve.errors import (
    AlreadyExists,
    FailedPrecondition,
    InvalidArgument,
    NotFound,
    StoreFull,
    StoreUnavailable,
)
from barkserve.orchestrator.voices import store as voice_store
from barkserve.orchestrator.voices.blobs import FolderBlobStore, open_blob_store
from barkserve.orchestrator.voices.handles import VoiceHandles
from barkserve.orchestrator.voices.store import VoiceStore
from fixtures.checkpoints import ODD, TINY, build_checkpoint, random_voice


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> BarkConfig:
    return CheckpointFolder.open(build_checkpoint(tmp_path_factory.mktemp("tiny"), TINY)).bark


@pytest.fixture(scope="module")
def voice(config: BarkConfig) -> Voice:
    return parse_voice(random_voice(TINY, 50, seed=5), config, "inline")


@pytest.fixture
def store(config: BarkConfig, tmp_path: Path) -> VoiceStore:
    return VoiceStore(FolderBlobStore(tmp_path), config, "tiny", 3)


def _card(name: str, language: str = "en", description: str = "") -> VoiceCard:
    return VoiceCard(name, language, description, stored=True)


def _assert_equal(one: Voice, other: Voice) -> None:
    for prompt in PROMPTS:
        np.testing.assert_array_equal(getattr(one, prompt), getattr(other, prompt))


def test_store_is_shared_by_replicas(
    store: VoiceStore, voice: Voice, config: BarkConfig, tmp_path: Path
) -> None:
    card = _card("team/Ann.v1", "en-GB", "Ünïcode, a \U0001f600")
    store.create(card, voice, replace=False)
    other = VoiceStore(FolderBlobStore(tmp_path), config, "tiny", 3)
    assert other.cards() == [card]
    found, tokens = other.get("team/Ann.v1")
    assert (found, tokens.name) == (card, "team/Ann.v1")
    _assert_equal(tokens, voice)
    other.delete("team/Ann.v1")
    assert store.cards() == []
    with pytest.raises(NotFound, match="team/Ann"):
        store.get("team/Ann.v1")


def test_create_replaces_a_voice_only_if_asked(store: VoiceStore, voice: Voice) -> None:
    store.create(_card("ann"), voice, replace=False)
    with pytest.raises(AlreadyExists, match="set `replace`"):
        store.create(_card("ann", "de"), voice, replace=False)
    assert store.cards()[0].language == "en"
    store.create(_card("ann", "de"), voice, replace=True)
    assert store.cards()[0].language == "de"


def test_full_store_rejects_new_voices_but_replaces(store: VoiceStore, voice: Voice) -> None:
    for name in ("a", "b", "c"):
        store.create(_card(name), voice, replace=False)
    with pytest.raises(StoreFull, match=r"3 voices are stored and the limit is 3; delete one"):
        store.create(_card("d"), voice, replace=False)
    store.create(_card("c", "fr"), voice, replace=True)
    store.delete("a")
    store.create(_card("d"), voice, replace=False)
    assert [card.name for card in store.cards()] == ["b", "c", "d"]


@pytest.mark.parametrize("location", ["folder", "memory"])
def test_concurrent_creates_do_not_exceed_the_limit(
    location: str, voice: Voice, config: BarkConfig, tmp_path: Path
) -> None:
    memory = f"memory://{tmp_path.name}/voices"
    blobs = open_blob_store(str(tmp_path) if location == "folder" else memory)
    store = VoiceStore(blobs, config, "tiny", 3)
    handles = VoiceHandles(blobs.subfolder("handles"), store, 60.0)
    start = threading.Barrier(12)

    def create(number: int) -> bool:
        start.wait()
        try:
            if number % 2:
                handles.keep(voice)
            else:
                store.create(_card(f"voice{number}"), voice, replace=number % 4 == 0)
        except StoreFull:
            return False
        return True

    with ThreadPoolExecutor(12) as threads:
        created = list(threads.map(create, range(12)))
    assert sum(created) == 3
    assert len(store.names()) + len(blobs.subfolder("handles").list().versions) == 3


def test_kept_voices_count_until_they_expire(
    store: VoiceStore, voice: Voice, tmp_path: Path
) -> None:
    now = [1_800_000_000.0]
    blobs = FolderBlobStore(tmp_path / "handles")
    handles = VoiceHandles(blobs, store, 60.0, lambda: now[0])
    store.create(_card("a"), voice, replace=False)
    handles.keep(voice)
    handles.check_keeping()
    handles.keep(voice)
    full = (
        r"3 voices are stored \(1 with a name, 2 with a handle, until it expires\) and the limit"
        " is 3"
    )
    for use in (
        handles.check_keeping,
        lambda: handles.keep(voice),
        lambda: store.create(_card("b"), voice, replace=True),
    ):
        with pytest.raises(StoreFull, match=full):
            use()
    store.create(_card("a", "fr"), voice, replace=True)
    now[0] += 60
    store.create(_card("b"), voice, replace=False)
    handles.check_keeping()


def test_failed_creates_free_their_place(store: VoiceStore, voice: Voice, tmp_path: Path) -> None:
    (tmp_path / "odd.npz").mkdir()
    for _ in range(5):
        with pytest.raises(StoreUnavailable):
            store.create(_card("odd"), voice, replace=True)
    for name in ("a", "b", "c"):
        store.create(_card(name), voice, replace=False)


@pytest.mark.parametrize(
    "name",
    [
        *("", ".", "..", "/", "/a", "a/", "a//b", "../a", "a/../b", "a/.b", "-a", "a b", "a\\b"),
        *("~a", "a~b", "a\0b", "a\n", "ä", "s3://a", "a::b", "file:a", "a%2F..%2Fb", "a?b", "a*"),
        "x" * 65,
    ],
)
def test_store_rejects_invalid_names(name: str, store: VoiceStore, voice: Voice) -> None:
    with pytest.raises(InvalidArgument) as caught:
        store.create(_card(name), voice, replace=True)
    assert caught.value.field == "name"
    for use in (store.get, store.delete):
        with pytest.raises(NotFound):
            use(name)


@given(name=st.text(alphabet="aB0._-/~:%\\ ", max_size=12))
def test_store_writes_only_to_its_folder(name: str, voice: Voice, config: BarkConfig) -> None:
    blobs = open_blob_store("memory://hypothesis/voices")
    store = VoiceStore(blobs, config, "tiny", 10)
    try:
        store.create(_card(name), voice, replace=False)
    except InvalidArgument:
        assert blobs.list().versions == {}
        return
    assert len(blobs.list().versions) == 1  # in the folder itself, not below it or beside it
    assert [card.name for card in store.cards()] == [name]
    store.delete(name)


def test_store_rejects_voices_of_other_checkpoints(
    store: VoiceStore, voice: Voice, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    store.create(_card("ann"), voice, replace=False)
    odd = CheckpointFolder.open(build_checkpoint(tmp_path_factory.mktemp("odd"), ODD)).bark
    other = VoiceStore(FolderBlobStore(tmp_path), odd, "odd", 3)
    assert other.cards() == []
    with pytest.raises(
        FailedPrecondition, match=r"cannot be used with checkpoint odd.*made with checkpoint tiny"
    ):
        other.get("ann")
    with pytest.raises(AlreadyExists):  # the name exists nevertheless
        other.create(
            _card("ann"), parse_voice(random_voice(ODD, 9, seed=0), odd, "x"), replace=False
        )


def test_store_reads_copied_suno_files(store: VoiceStore, voice: Voice, tmp_path: Path) -> None:
    np.savez(tmp_path / "plain.npz", **random_voice(TINY, 50, seed=5))
    (tmp_path / "broken.npz").write_bytes(b"not an archive")
    (tmp_path / "notes.txt").write_text("not a voice")
    (tmp_path / "handles").mkdir()
    with zipfile.ZipFile(tmp_path / "odd.npz", "w") as archive:
        archive.comment = b'{"name": 3}'
    assert store.cards() == [VoiceCard("plain", stored=True)]
    _assert_equal(store.get("plain")[1], voice)
    with pytest.raises(
        FailedPrecondition,
        match=r"voice 'broken' cannot be used with checkpoint tiny: not a valid \.npz",
    ):
        store.get("broken")


@pytest.mark.parametrize("location", ["folder", "memory"])
def test_store_reads_presets_in_the_v2_folder(
    location: str, voice: Voice, config: BarkConfig, tmp_path: Path
) -> None:
    memory = f"memory://{tmp_path.name}/presets"
    blobs = open_blob_store(str(tmp_path) if location == "folder" else memory)
    store = VoiceStore(blobs, config, "tiny", 3)
    data = store.to_npz(VoiceCard("", "en"), voice)
    for name in ("en_speaker_6", "en_speaker_7"):
        blobs.subfolder("v2").replace(f"{name}.npz", data)
    assert store.names() == ["v2/en_speaker_6", "v2/en_speaker_7"]
    assert [card.name for card in store.cards()] == store.names()
    _assert_equal(store.get("v2/en_speaker_6")[1], voice)
    with pytest.raises(AlreadyExists):
        store.create(_card("v2/en_speaker_6"), voice, replace=False)
    store.create(_card("v2/en_speaker_6", "de"), voice, replace=True)
    assert [card.language for card in store.cards()] == ["de", "en"]
    store.delete("v2/en_speaker_6")  # the preset too, else it would be back
    assert store.names() == ["v2/en_speaker_7"]
    with pytest.raises(NotFound):
        store.get("v2/en_speaker_6")


def test_store_names_ignored_files_and_the_reason_once(
    store: VoiceStore, voice: Voice, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    data = store.to_npz(VoiceCard("", "en"), voice)
    for folder in ("", "v2", "v3", "handles", "lost+found"):
        (tmp_path / folder).mkdir(exist_ok=True)
        (tmp_path / folder / "my voice.npz").write_bytes(data)
    (tmp_path / "README.md").touch()
    (tmp_path / "good.NPZ").write_bytes(data)
    (tmp_path / "v2" / "a~b.npz").write_bytes(data)
    for _ in range(3):
        assert store.cards() == []
    ignored = {each.split("'")[1]: each for each in caplog.messages}
    assert len(ignored) == len(caplog.messages) == 5
    assert set(ignored) == {
        *("my voice.npz", "good.NPZ", "v2/my voice.npz", "v2/a~b.npz", "v3/"),
    }
    assert "must have 1 to 64 characters" in ignored["v2/my voice.npz"]
    assert "v3~ before their names" in ignored["v3/"]
    (tmp_path / "my voice.npz").rename(tmp_path / "my-voice.npz")
    assert store.names() == ["my-voice"]


def test_numpy_reads_stored_voices(store: VoiceStore, voice: Voice, tmp_path: Path) -> None:
    store.create(_card("a/b"), voice, replace=False)
    (file,) = tmp_path.iterdir()
    with np.load(file, allow_pickle=False) as arrays:
        assert set(arrays) == set(PROMPTS)
        np.testing.assert_array_equal(arrays["fine_prompt"], voice.fine_prompt)


def test_store_rejects_large_voices(
    store: VoiceStore, voice: Voice, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(voice_store, "MAX_NPZ_BYTES", 100)
    with pytest.raises(InvalidArgument, match="the limit is 100"):
        store.create(_card("ann"), voice, replace=False)
    assert store.cards() == []


def test_handle_is_valid_on_every_replica_until_it_expires(
    store: VoiceStore, voice: Voice, tmp_path: Path
) -> None:
    now = [1_800_000_000.0]
    blobs = FolderBlobStore(tmp_path / "handles")
    first, second = (VoiceHandles(blobs, store, 60.0, lambda: now[0]) for _ in range(2))
    handle = first.keep(voice)
    assert handle != first.keep(voice)
    _assert_equal(second.get(handle), voice)
    assert store.cards() == []
    now[0] += 59
    assert second.sweep() == 0
    _assert_equal(second.get(handle), voice)
    now[0] += 1
    with pytest.raises(NotFound, match="handles are valid for 60 s"):
        first.get(handle)
    assert second.sweep() == 2
    assert blobs.list().versions == {}


@pytest.mark.parametrize("handle", ["", "x", "../ann", "0" * 43, "7" * 10 + "-" + "0" * 32])
def test_unknown_handles_are_not_found(
    handle: str, store: VoiceStore, voice: Voice, tmp_path: Path
) -> None:
    store.create(_card("ann"), voice, replace=False)
    handles = VoiceHandles(FolderBlobStore(tmp_path / "handles"), store, 60.0)
    with pytest.raises(NotFound, match="no voice has this handle"):
        handles.get(handle)


def test_stored_voice_keeps_its_language(store: VoiceStore, voice: Voice, tmp_path: Path) -> None:
    store.create(_card("ann", "de"), voice, replace=False)
    german = store.get("ann")[1]
    handles = VoiceHandles(FolderBlobStore(tmp_path / "handles"), store, 60.0)
    assert (german.language, handles.get(handles.keep(german)).language) == ("de", "de")
