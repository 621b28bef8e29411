"""Tests of `barkserve fetch`: the part of a service is complete or absent."""

import io
import json
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest
import torch
from safetensors.torch import load_file

from barkserve.checkpoint.fetch import weight_files
from barkserve.checkpoint.fetch.command import TENSORS, fetch
from barkserve.checkpoint.folder import MANIFEST_FILE
from barkserve.checkpoint.stage_tensors import PREFIXES
from barkserve.checkpoint.tensors import Checkpoint
from barkserve.checkpoint.voices import VoiceLibrary
from barkserve.config.fetch import FetchOptions
from barkserve.constants import STAGES
from barkserve.errors import CheckpointError, StartupError
from barkserve.models import loading
from fixtures.checkpoints import TINY, CheckpointSpec
from tests.support.hub import REVISION, Hub, HubServer, running_hub_server

LOAD: dict[str, Callable[..., torch.nn.Module]] = {
    "semantic": loading.load_semantic,
    "coarse": loading.load_coarse,
    "fine": loading.load_fine,
    "codec": loading.load_codec,
}
PLACEMENT = loading.Placement.parse("cpu", "float32", "sdpa")


def run(stage: str, source: Path | str, to: Path, **options: Any) -> str:
    out = io.StringIO()
    fetch(FetchOptions(stage=stage, checkpoint=str(source), to=str(to), **options), out)
    return out.getvalue()


@pytest.fixture
def source(checkpoint_of: Callable[[CheckpointSpec], Path]) -> Path:
    return checkpoint_of(TINY)


@pytest.fixture(params=["safetensors", "bin"])
def either(request: pytest.FixtureRequest, source: Path, tmp_path: Path) -> Path:
    """The checkpoint with weights in one of the two formats."""
    if request.param == "safetensors":
        return source
    folder = Path(shutil.copytree(source, tmp_path / "bin"))
    tensors = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    torch.save(tensors, folder / "pytorch_model.bin")
    return folder


@pytest.mark.parametrize("stage", STAGES)
def test_stage_loads_the_same_model_from_its_part(either: Path, tmp_path: Path, stage: str) -> None:
    part = tmp_path / "part"
    run(stage, either, part)
    ours = LOAD[stage](Checkpoint.open(part), PLACEMENT).state_dict()
    whole = LOAD[stage](Checkpoint.open(either), PLACEMENT).state_dict()
    assert ours.keys() == whole.keys()
    assert all(torch.equal(ours[name], whole[name]) for name in ours)
    assert not list(part.rglob("*.part"))
    assert all(name.startswith(PREFIXES[stage]) for name in load_file(part / TENSORS))
    assert (part / TENSORS).stat().st_size < sum(f.stat().st_size for f in either.glob("*.*"))
    assert bool(list(part.glob("tokenizer*"))) == (stage == "semantic")


def test_orchestrator_gets_voices_and_no_weights(source: Path, tmp_path: Path) -> None:
    part = tmp_path / "part"
    run("orchestrator", source, part)
    ours, whole = (VoiceLibrary(Checkpoint.open(each, weights=False)) for each in (part, source))
    assert ours.names() == whole.names()
    for name in whole.names():
        assert (ours.get(name).fine_prompt == whole.get(name).fine_prompt).all()
    assert not list(part.glob("*.safetensors"))
    assert Checkpoint.open(part, weights=False).name == str(source)


def test_complete_folder_is_not_fetched_again(source: Path, tmp_path: Path) -> None:
    part = tmp_path / "part"
    assert "MB" in run("coarse", source, part)
    before = {path: path.stat().st_mtime_ns for path in part.iterdir()}
    assert "already" in run("coarse", source, part)
    assert {path: path.stat().st_mtime_ns for path in part.iterdir()} == before
    assert "already" not in run("fine", source, part)
    assert json.loads((part / MANIFEST_FILE).read_text())["stage"] == "fine"


@pytest.mark.parametrize("damage", ["changed", "missing", "no manifest", "broken manifest"])
def test_damaged_folder_is_detected_and_repaired(source: Path, tmp_path: Path, damage: str) -> None:
    part = tmp_path / "part"
    run("coarse", source, part)
    whole = (part / TENSORS).read_bytes()
    match damage:
        case "changed":
            (part / TENSORS).write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
        case "missing":
            (part / TENSORS).unlink()
        case "no manifest":
            (part / MANIFEST_FILE).unlink()
        case _:
            (part / MANIFEST_FILE).write_text("{")
    with pytest.raises(CheckpointError, match=r"fetch"):
        run("", source, part, verify=True)
    assert "already" not in run("coarse", source, part)
    assert "checksums match" in run("", source, part, verify=True)
    assert (part / TENSORS).read_bytes() == whole


@pytest.fixture
def hub(either: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    """Run a hub whose repository suno/tiny is the checkpoint."""
    whole = Hub(either, tmp_path / "cache")
    monkeypatch.setattr(huggingface_hub, "snapshot_download", whole.snapshot_download)
    monkeypatch.setattr(weight_files, "_REQUEST_BYTES", 1 << 10)  # the checkpoint is small
    with running_hub_server(either) as server:
        template = server.endpoint + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", server.endpoint)
        monkeypatch.setattr(huggingface_hub.constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        yield server


@pytest.mark.parametrize("stage", STAGES)
def test_hub_sends_only_the_tensors_of_the_stage(
    hub: HubServer, tmp_path: Path, stage: str
) -> None:
    run(stage, "suno/tiny", tmp_path / "part")
    run(stage, hub.source, tmp_path / "expected")
    assert (tmp_path / "part" / TENSORS).read_bytes() == (
        tmp_path / "expected" / TENSORS
    ).read_bytes()
    manifest = json.loads((tmp_path / "part" / MANIFEST_FILE).read_text())
    assert (manifest["checkpoint"], manifest["revision"]) == ("suno/tiny", REVISION)
    downloaded = {path.name for path in (tmp_path / "cache").rglob("*") if path.is_file()}
    if (hub.source / TENSORS).exists():
        part, whole = ((path / TENSORS).stat().st_size for path in (tmp_path / "part", hub.source))
        assert hub.sent[TENSORS] < min(whole, part + (32 << 10))
        assert TENSORS not in downloaded
    else:
        assert not hub.sent
        assert "pytorch_model.bin" in downloaded


def test_interrupted_fetch_leaves_no_manifest(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise KeyboardInterrupt

    part = tmp_path / "part"
    run("coarse", source, part)
    (part / TENSORS).unlink()
    monkeypatch.setattr("barkserve.checkpoint.fetch.command.write_tensors", fail)
    with pytest.raises(KeyboardInterrupt):
        run("coarse", source, part)
    assert not (part / MANIFEST_FILE).exists()
    monkeypatch.undo()
    run("coarse", source, part)
    assert "checksums match" in run("", source, part, verify=True)


def test_replicas_can_fetch_to_one_volume_at_once(source: Path, tmp_path: Path) -> None:
    part = tmp_path / "part"
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: run("coarse", source, part), range(4)))
    assert "checksums match" in run("", source, part, verify=True)
    assert not list(part.rglob("*.part"))


def test_broken_source_is_named(source: Path, tmp_path: Path) -> None:
    broken = Path(shutil.copytree(source, tmp_path / "broken"))
    data = (broken / TENSORS).read_bytes()
    (broken / TENSORS).write_bytes(data[: len(data) // 2])
    with pytest.raises(CheckpointError, match=r"model\.safetensors is broken"):
        run("coarse", broken, tmp_path / "part")


def test_fetch_requires_a_folder_and_a_stage(source: Path) -> None:
    with pytest.raises(StartupError, match=r"--to FOLDER and --stage"):
        fetch(FetchOptions(stage="coarse"), io.StringIO())
