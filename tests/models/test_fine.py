"""The fine model's logits equal those of transformers with each attention backend."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from barkserve.checkpoint.tensors import Checkpoint
from barkserve.models.attention.backend import Backend
from barkserve.models.fine import FineModel
from barkserve.models.loading import Placement, load_fine
from fixtures.checkpoints import ODD, TINY, CheckpointSpec, reference

CheckpointOf = Callable[[CheckpointSpec], Path]
SPECS = [pytest.param(TINY, id="tiny"), pytest.param(ODD, id="odd")]


def fine_model(
    folder: Path, attention: Backend = "sdpa", dtype: torch.dtype = torch.float32
) -> FineModel:
    return load_fine(Checkpoint.open(folder), Placement(torch.device("cpu"), dtype, attention))


def random_window(spec: CheckpointSpec) -> Tensor:
    """Draw codes with padding at the end, (2, T, books)."""
    shape = (2, spec.max_fine_input_length, spec.n_fine_codebooks)
    codes = np.random.default_rng(0).integers(0, spec.codebook_size, shape)
    codes[:, -9:] = spec.codebook_size
    return torch.from_numpy(codes)


@pytest.mark.parametrize("spec", SPECS)
@pytest.mark.parametrize("attention", ["sdpa", "eager"])
@torch.inference_mode()
def test_logits_of_every_codebook_equal_transformers(
    checkpoint_of: CheckpointOf, spec: CheckpointSpec, attention: Backend
) -> None:
    folder, codes, start = checkpoint_of(spec), random_window(spec), 13
    model, theirs = fine_model(folder, attention), reference(folder).fine_acoustics
    for codebook in range(2, spec.n_fine_codebooks):
        expected = theirs(codebook, codes).logits[:, start:, : spec.codebook_size]
        logits = model(codes, codebook, start, spec.codebook_size)
        torch.testing.assert_close(logits, expected, atol=1e-4, rtol=0)


@torch.inference_mode()
def test_logits_ignore_later_codebooks(checkpoint_of: CheckpointOf) -> None:
    model, codes = fine_model(checkpoint_of(TINY)), random_window(TINY)
    unknown = codes.clone()
    unknown[:, :, 4:] = TINY.codebook_size
    logits = model(codes, 3, 0, TINY.codebook_size)
    assert torch.equal(logits, model(unknown, 3, 0, TINY.codebook_size))
    assert not torch.equal(logits, model(codes, 4, 0, TINY.codebook_size))


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
@torch.inference_mode()
def test_bfloat16_is_near_float32(checkpoint_of: CheckpointOf, attention: Backend) -> None:
    folder, codes = checkpoint_of(TINY), random_window(TINY)
    expected = fine_model(folder)(codes, 2, 0, TINY.codebook_size)
    logits = fine_model(folder, attention, torch.bfloat16)(codes, 2, 0, TINY.codebook_size)
    assert logits.dtype == torch.float32
    assert 0 < (logits - expected).square().mean().sqrt() / expected.std() < 0.05
