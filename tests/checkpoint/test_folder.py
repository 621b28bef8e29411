"""Checkpoint folders are found, fetched, read without torch, or refused in one line."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from unittest.mock import MagicMock

import huggingface_hub
import pytest
from huggingface_hub import errors

from barkserve.checkpoint.folder import CheckpointFolder, bundled_checkpoint, fetch_file
from barkserve.errors import CheckpointError
from fixtures.checkpoints import TINY
from tests.support.hub import Hub

LIGHT_MODULES = ("checkpoint.bark_config", "checkpoint.folder", "checkpoint.voices", "speakable")


@pytest.fixture
def hub(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Hub:
    hub = Hub(folder, tmp_path / "cache")
    monkeypatch.setattr(huggingface_hub, "snapshot_download", hub.snapshot_download)
    return hub


def test_open_reads_a_folder(tiny_folder: Path) -> None:
    folder = CheckpointFolder.open(tiny_folder)
    assert (folder.path, folder.name, folder.revision) == (tiny_folder, "bark-test", None)
    assert folder.config["model_type"] == "bark"
    assert folder.generation["codebook_size"] == TINY.codebook_size
    assert folder.bark.semantic.hidden_size == TINY.hidden


def test_open_names_a_folder_after_its_absolute_path(
    tiny_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tiny_folder)
    assert CheckpointFolder.open(".").name == "bark-test"


@pytest.mark.parametrize(
    "name", ["", "absent", "/absent", "./absent", "../absent", "~/absent", "a/b/c", "/", "owner/"]
)
def test_open_refuses_what_is_neither_folder_nor_hub_name(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    with pytest.raises(CheckpointError, match=r"is not a folder|is missing") as caught:
        CheckpointFolder.open(name)
    assert "\n" not in str(caught.value)


def test_open_refuses_a_file(tiny_folder: Path) -> None:
    with pytest.raises(CheckpointError, match="is not a folder"):
        CheckpointFolder.open(tiny_folder / "config.json")


@pytest.mark.parametrize("file", ["config.json", "generation_config.json"])
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "is missing"),
        (b"", "invalid JSON"),
        (b"{", "invalid JSON"),
        (b"\xff\xfe", "invalid JSON"),
        (b"[" * 100_000, "invalid JSON"),
        (b"[]", "not a JSON object"),
    ],
)
def test_broken_json_files_are_named(
    folder: Path, file: str, content: bytes | None, message: str
) -> None:
    (folder / file).unlink()
    if content is not None:
        (folder / file).write_bytes(content)
    with pytest.raises(CheckpointError, match=message) as caught:
        CheckpointFolder.open(folder)
    assert str(folder / file) in str(caught.value)


def test_another_kind_of_model_is_refused(folder: Path) -> None:
    (folder / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(CheckpointError, match=r"tiny: config\.json: model_type is 'bert'"):
        CheckpointFolder.open(folder)


def test_hub_checkpoint_has_no_weights_or_voices_by_default(hub: Hub) -> None:
    folder = CheckpointFolder.open("suno/tiny")
    assert (folder.name, folder.revision, folder.path) == ("suno/tiny", "c0ffee", hub.snapshot)
    assert {"tokenizer.json", "vocab.txt", "speaker_embeddings_path.json"} < hub.fetched()
    assert not {"model.safetensors", "speaker_embeddings"} & hub.fetched()


def test_hub_checkpoint_has_the_revision_that_is_asked_for(hub: Hub) -> None:
    folder = CheckpointFolder.open("suno/tiny@v1")
    assert (folder.name, folder.fingerprint) == ("suno/tiny", "c0ffee")
    assert [revision for _, revision, _ in hub.requests] == ["v1"]
    assert {repository for repository, _, _ in hub.requests} == {"suno/tiny"}


def test_hub_checkpoint_prefers_safetensors(hub: Hub) -> None:
    (hub.source / "pytorch_model.bin").touch()
    CheckpointFolder.open("suno/tiny", weights=True)
    assert "model.safetensors" in hub.fetched()
    assert "pytorch_model.bin" not in hub.fetched()
    assert len(hub.requests) == 1


def test_hub_checkpoint_falls_back_to_bin_files(hub: Hub) -> None:
    (hub.source / "model.safetensors").rename(hub.source / "pytorch_model.bin")
    CheckpointFolder.open("suno/tiny", weights=True)
    assert "pytorch_model.bin" in hub.fetched()
    assert [revision for _, revision, _ in hub.requests] == [None, "c0ffee"]


def test_folder_has_priority_over_the_hub(
    hub: Hub, tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(tiny_folder, tmp_path / "suno" / "tiny")
    monkeypatch.chdir(tmp_path)
    assert CheckpointFolder.open("suno/tiny").revision is None
    assert hub.requests == []


def _answer(kind: type[errors.HfHubHTTPError]) -> errors.HfHubHTTPError:
    return kind("401\nsecond line", response=MagicMock(headers={}))


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (_answer(errors.RepositoryNotFoundError), "check the spelling"),
        (_answer(errors.GatedRepoError), "hf auth login"),
        (errors.HFValidationError("bad name"), "check the spelling"),
        (_answer(errors.RemoteEntryNotFoundError), "no such file"),
        (errors.LocalEntryNotFoundError("offline"), "check the network"),
        (ConnectionError("name unknown\nsecond line"), "check the network"),
        (OSError(28, "disk full"), "disk full"),
    ],
)
@pytest.mark.parametrize("function", ["snapshot_download", "hf_hub_download"])
def test_hub_errors_are_one_line(
    error: Exception, message: str, function: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: object, **options: object) -> str:
        raise error

    call: dict[str, Callable[[], object]] = {
        "snapshot_download": lambda: CheckpointFolder.open("suno/tiny"),
        "hf_hub_download": lambda: fetch_file("suno/tiny", "a.npy", "c0ffee"),
    }
    monkeypatch.setattr(huggingface_hub, function, refuse)
    with pytest.raises(CheckpointError, match=message) as caught:
        call[function]()
    assert "suno/tiny" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_fetch_file_uses_the_revision(monkeypatch: pytest.MonkeyPatch) -> None:
    def download(repository: str, filename: str, *, revision: str) -> str:
        return f"/cache/{repository}/{revision}/{filename}"

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    assert fetch_file("suno/tiny", "a/b.npy", "c0ffee") == Path("/cache/suno/tiny/c0ffee/a/b.npy")


def test_bundled_checkpoint_is_in_the_package() -> None:
    assert bundled_checkpoint().parts[-3:] == ("barkserve", "bundled", "bark-mini")


@pytest.mark.parametrize("module", LIGHT_MODULES)
def test_reading_a_folder_needs_no_torch(module: str) -> None:
    heavy = "{'torch', 'transformers', 'safetensors', 'tokenizers'}"
    code = f"import sys, barkserve.{module}; assert not {heavy} & set(sys.modules)"
    environment = {"PYTHONPATH": ":".join(sys.path)}
    result = subprocess.run([sys.executable, "-c", code], env=environment)
    assert result.returncode == 0
