"""The tensors of a stage are read from every format of the hub."""

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from barkserve.checkpoint import tensors as checkpoint_module
from barkserve.checkpoint.tensors import COARSE, CODEC, FINE, SEMANTIC, Checkpoint
from barkserve.errors import CheckpointError
from fixtures.checkpoints import TINY, build_checkpoint, random_model

FORMATS = ("safetensors", "safetensors_sharded", "bin", "bin_sharded")
STAGES = (SEMANTIC, COARSE, FINE, CODEC)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("formats")
    return {kind: build_checkpoint(root / kind, TINY, weights_format=kind) for kind in FORMATS}


@pytest.fixture(scope="module")
def weights() -> dict[str, torch.Tensor]:
    return random_model(TINY, seed=0).state_dict()


@pytest.fixture(params=FORMATS)
def folder(request: pytest.FixtureRequest, built: dict[str, Path], tmp_path: Path) -> Path:
    """A writable copy in each format."""
    return Path(shutil.copytree(built[request.param], tmp_path / "copy"))


@pytest.fixture
def single(built: dict[str, Path], tmp_path: Path) -> Path:
    """A writable copy with one safetensors file."""
    return Path(shutil.copytree(built["safetensors"], tmp_path / "copy"))


def _is_weight(name: str) -> bool:
    return not name.endswith((".attn.bias", "embed_avg", "cluster_size", "inited"))


def _files(folder: Path) -> Iterator[Path]:
    yield from folder.glob("model*.safetensors")
    yield from folder.glob("pytorch_model*.bin")


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("prefix", STAGES)
def test_tensors_are_read_from_every_format(
    kind: str, prefix: str, built: dict[str, Path], weights: dict[str, torch.Tensor]
) -> None:
    tensors = Checkpoint.open(built[kind]).tensors(prefix)
    expected = {
        name.removeprefix(prefix): tensor
        for name, tensor in weights.items()
        if name.startswith(prefix) and _is_weight(name)
    }
    # safetensors keeps one of two tied tensors; transformers' own choice is the embedding.
    missing = expected.keys() - tensors.keys()
    assert all(name.startswith("lm_heads.") for name in missing)
    assert tensors.keys() == expected.keys() - missing
    assert all(torch.equal(tensor, expected[name]) for name, tensor in tensors.items())


def test_tensors_can_be_limited_to_a_part(built: dict[str, Path]) -> None:
    names = Checkpoint.open(built["safetensors"]).tensors(CODEC, ("decoder.", "quantizer."))
    assert {name.split(".")[0] for name in names} == {"decoder", "quantizer"}


@pytest.mark.parametrize("prefix", STAGES)
def test_only_the_tensors_of_the_stage_are_read(
    prefix: str, single: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []

    class Recording:
        def __init__(self, file: Path, framework: str) -> None:
            self.tensors = safe_open(file, framework=framework)

        def __enter__(self) -> "Recording":
            return self

        def __exit__(self, *error: object) -> None:
            pass

        def keys(self) -> list[str]:
            return list(self.tensors.keys())

        def get_tensor(self, name: str) -> torch.Tensor:
            read.append(name)
            return self.tensors.get_tensor(name)

    monkeypatch.setattr(checkpoint_module, "safe_open", Recording)
    tensors = Checkpoint.open(single).tensors(prefix)
    assert len(read) == len(tensors)
    assert all(name.startswith(prefix) for name in read)


def test_shards_of_other_stages_are_not_opened(built: dict[str, Path], tmp_path: Path) -> None:
    folder = Path(shutil.copytree(built["safetensors_sharded"], tmp_path / "copy"))
    index = json.loads((folder / "model.safetensors.index.json").read_text())["weight_map"]
    needed = {file for name, file in index.items() if name.startswith(CODEC)}
    others = [file for file in _files(folder) if file.name not in needed]
    assert others
    for file in others:
        file.unlink()
    checkpoint = Checkpoint.open(folder)
    assert checkpoint.tensors(CODEC)
    with pytest.raises(CheckpointError, match="is missing"):
        checkpoint.tensors(SEMANTIC)


def test_tensors_keep_their_dtype(tmp_path: Path) -> None:
    checkpoint = Checkpoint.open(build_checkpoint(tmp_path, TINY, dtype=torch.float16))
    assert {tensor.dtype for tensor in checkpoint.tensors(COARSE).values()} == {torch.float16}


def test_old_names_of_normalized_weights_are_renamed(single: Path) -> None:
    weights = load_file(single / "model.safetensors")
    expected = Checkpoint.open(single).tensors(CODEC)
    old = {
        name.replace("parametrizations.weight.original0", "weight_g").replace(
            "parametrizations.weight.original1", "weight_v"
        ): tensor
        for name, tensor in weights.items()
    }
    assert old.keys() != weights.keys()
    save_file(old, single / "model.safetensors")
    renewed = Checkpoint.open(single).tensors(CODEC)
    assert renewed.keys() == expected.keys()
    assert all(torch.equal(tensor, expected[name]) for name, tensor in renewed.items())


def test_safetensors_have_priority_over_bin(single: Path) -> None:
    (single / "pytorch_model.bin").write_bytes(b"never read")
    assert Checkpoint.open(single).tensors(SEMANTIC)


def test_checkpoint_without_weights_is_refused(folder: Path) -> None:
    for file in [*_files(folder), *folder.glob("*.index.json")]:
        file.unlink()
    with pytest.raises(CheckpointError, match="has no weights"):
        Checkpoint.open(folder).tensors(SEMANTIC)


@pytest.mark.parametrize("content", [b"", b"nonsense", None])
def test_broken_weights_are_named_in_one_line(folder: Path, content: bytes | None) -> None:
    for file in _files(folder):
        whole = file.read_bytes()
        file.write_bytes(whole[: len(whole) // 2] if content is None else content)
    with pytest.raises(
        CheckpointError, match=r"is broken \(.*fetch the checkpoint again"
    ) as caught:
        Checkpoint.open(folder).tensors(SEMANTIC)
    assert "\n" not in str(caught.value)


def test_checkpoint_without_a_stage_is_refused(single: Path) -> None:
    weights = load_file(single / "model.safetensors")
    rest = {name: tensor for name, tensor in weights.items() if not name.startswith(FINE)}
    save_file(rest, single / "model.safetensors")
    with pytest.raises(CheckpointError, match=r"has no tensors fine_acoustics\.\*"):
        Checkpoint.open(single).tensors(FINE)


@pytest.mark.parametrize(
    ("index", "message"),
    [
        ("{}", "no weight_map"),
        ('{"weight_map": {"semantic.a": 3}}', "no weight_map"),
        ('{"weight_map": {"semantic.a": "../model.safetensors"}}', "not a file of this folder"),
        ('{"weight_map": {"semantic.a": "/etc/passwd"}}', "not a file of this folder"),
        ('{"weight_map": {"semantic.a": "config.json"}}', "is broken"),
        ('{"weight_map": {"semantic.a": "absent.bin"}}', "is missing"),
        ("{", "invalid JSON"),
    ],
)
def test_broken_index_is_refused(single: Path, index: str, message: str) -> None:
    (single / "model.safetensors").unlink()
    (single / "model.safetensors.index.json").write_text(index)
    with pytest.raises(CheckpointError, match=message):
        Checkpoint.open(single).tensors(SEMANTIC)


@pytest.mark.parametrize("name", ["other.safetensors", "other.bin"])
def test_index_with_an_absent_tensor_is_refused(single: Path, name: str) -> None:
    weights = load_file(single / "model.safetensors")
    (single / "model.safetensors").unlink()
    if name.endswith(".bin"):
        torch.save(weights, single / name)
    else:
        save_file(weights, single / name)
    index = {"weight_map": {"semantic.absent": name}}
    (single / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(CheckpointError, match="absent"):
        Checkpoint.open(single).tensors(SEMANTIC)


class Exploit:
    """Touches a file when unpickled by a careless loader."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.file),)


def test_pickle_is_never_executed(single: Path, tmp_path: Path) -> None:
    (single / "model.safetensors").unlink()
    torch.save({"semantic.a": Exploit(tmp_path / "owned")}, single / "pytorch_model.bin")
    with pytest.raises(CheckpointError, match="is broken"):
        Checkpoint.open(single).tensors(SEMANTIC)
    assert not (tmp_path / "owned").exists()


@pytest.mark.parametrize("content", [[torch.zeros(1)], {"semantic.a": 3}])
def test_bin_file_without_tensors_is_refused(single: Path, content: object) -> None:
    (single / "model.safetensors").unlink()
    torch.save(content, single / "pytorch_model.bin")
    with pytest.raises(CheckpointError, match="no tensors by name"):
        Checkpoint.open(single).tensors(SEMANTIC)
