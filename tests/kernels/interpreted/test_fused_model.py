"""A model computes with the fused kernels what it computes with torch's layers."""

from pathlib import Path

import pytest
import torch

from barkserve.checkpoint.tensors import Checkpoint
from barkserve.models import linear, loading
from barkserve.models.causal import CausalModel
from barkserve.models.decode_plan import DecodePlan
from barkserve.models.loading import Placement, load_coarse
from fixtures.checkpoints import ODD, TINY, CheckpointSpec

PLAN = DecodePlan(deterministic=True, fixed="fused")


def unpacked_model(folder: Path, monkeypatch: pytest.MonkeyPatch) -> CausalModel:
    """A model with its weights in rows, as on a GPU."""
    for module in (linear, loading):
        monkeypatch.setattr(module, "can_pack", lambda device, dtype: False)
    placement = Placement(torch.device("cpu"), torch.float32, "eager")
    return load_coarse(Checkpoint.open(folder), placement)


@pytest.mark.parametrize("spec", [ODD, pytest.param(TINY, marks=pytest.mark.sweep)])
def test_fused_model_equals_torch(
    spec: CheckpointSpec, checkpoint_of, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = unpacked_model(checkpoint_of(spec), monkeypatch)
    cache = model.new_cache(2).normal_(generator=torch.Generator().manual_seed(1))
    rows = torch.tensor([3, 30]), torch.tensor([1, 0]), torch.tensor([0, 41])
    head = model.head(torch.arange(5, 30))
    caches = [cache.clone(), cache.clone()]
    with torch.inference_mode():
        expected = model.decode(*rows, caches[0])
        expected_logits = model.logits(expected, head)
        model.use_plan(PLAN)
        out = model.decode(*rows, caches[1])
        logits = model.logits(out, head)
    torch.testing.assert_close(out, expected, rtol=0, atol=1e-5)
    torch.testing.assert_close(caches[1], caches[0], rtol=0, atol=1e-5)
    torch.testing.assert_close(logits, expected_logits, rtol=0, atol=1e-5)
