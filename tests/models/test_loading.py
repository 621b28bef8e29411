"""Models take over the loaded tensors without a copy, and no file stays mapped."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from barkserve.checkpoint.tensors import Checkpoint, To
from barkserve.models import loading
from barkserve.models.linear import can_pack
from fixtures.checkpoints import TINY, CheckpointSpec, build_checkpoint

CPU = torch.device("cpu")
STAGES = ("semantic", "coarse", "fine", "codec")
DTYPES = [
    "float32",
    "float16",
    "bfloat16",
    pytest.param(
        "int8",
        marks=pytest.mark.skipif(not can_pack(CPU, torch.int8), reason="needs AVX-512 VNNI"),
    ),
]


def loaded(stage: str, checkpoint: Checkpoint, dtype: str) -> nn.Module:
    model: nn.Module = getattr(loading, f"load_{stage}")(
        checkpoint, loading.Placement.parse("cpu", dtype, "sdpa")
    )
    return model


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("dtype", DTYPES)
def test_model_has_no_meta_tensors(
    checkpoint_of: Callable[[CheckpointSpec], Path], stage: str, dtype: str
) -> None:
    model = loaded(stage, Checkpoint.open(checkpoint_of(TINY)), dtype)
    expected = loading.Placement.parse("cpu", dtype, "sdpa").dtype
    if stage == "codec" and expected is torch.bfloat16:
        expected = torch.float16  # load_codec: fewer errors in the samples
    held = [*model.parameters(), *model.buffers()]
    assert held
    assert {each.device for each in held} == {CPU}
    assert {each.dtype for each in held} == {expected}
    assert not any(each.requires_grad for each in held)
    for lstm in (each for each in model.modules() if isinstance(each, nn.LSTM)):
        assert {weight.device for weight in lstm._flat_weights if weight is not None} == {CPU}


@pytest.mark.parametrize("stage", ["semantic", "coarse", "fine"])
def test_model_keeps_the_loaded_tensors(
    checkpoint_of: Callable[[CheckpointSpec], Path], stage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: set[int] = set()
    tensors = Checkpoint.tensors

    def recording(self: Checkpoint, prefix: str, only: tuple[str, ...] = (), *, to: To) -> object:
        found = tensors(self, prefix, only, to)
        read.update(each.data_ptr() for each in found.values())
        return found

    monkeypatch.setattr(Checkpoint, "tensors", recording)
    model = loaded(stage, Checkpoint.open(checkpoint_of(TINY)), "float16")
    assert {each.data_ptr() for each in model.parameters()} == read


def test_tied_heads_stay_tied(checkpoint_of: Callable[[CheckpointSpec], Path]) -> None:
    model = loaded("fine", Checkpoint.open(checkpoint_of(TINY)), "float16")
    weights: dict[str, Tensor] = dict(model.named_parameters(remove_duplicate=False))
    for head in range(TINY.n_fine_codebooks - 1):
        embedding = weights[f"input_embeds_layers.{head + 1}.weight"]
        assert weights[f"lm_heads.{head}.weight"].data_ptr() == embedding.data_ptr()


@pytest.mark.skipif(sys.platform != "linux", reason="reads what Linux tells of mapped files")
@pytest.mark.parametrize("kind", ["safetensors", "bin"])
def test_loading_leaves_no_file_mapped(tmp_path: Path, kind: str) -> None:
    folder = build_checkpoint(tmp_path, TINY, weights_format=kind)
    models = [loaded(stage, Checkpoint.open(folder), "float32") for stage in STAGES]
    assert models
    assert str(folder) not in Path("/proc/self/maps").read_text()
