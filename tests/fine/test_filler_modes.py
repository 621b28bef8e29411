"""The weights of the fine model in EXACT and STREAMING, and the positions that it computes."""

from collections import Counter

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from barkserve.checkpoint.folder import bundled_checkpoint
from barkserve.checkpoint.tensors import Checkpoint
from barkserve.fine.filler import Filler, by_mode
from barkserve.fine.job import FillJob
from barkserve.models.fine import FineModel
from barkserve.models.linear import can_pack, fast_weights
from barkserve.models.loading import Placement, load_fine

CPU = torch.device("cpu")
FLOAT32 = Placement(CPU, torch.float32, "sdpa")
GIVEN, BOOKS = 2, 8
FILL_FROM = 100


@pytest.fixture(scope="module")
def checkpoint() -> Checkpoint:
    return Checkpoint.open(bundled_checkpoint())


@pytest.fixture(scope="module")
def float32_model(checkpoint: Checkpoint) -> FineModel:
    return load_fine(checkpoint, FLOAT32)


def filler_of(model: FineModel, checkpoint: Checkpoint) -> Filler:
    return Filler(model, GIVEN, BOOKS, checkpoint.bark.codebook_size)


def job_of(checkpoint: Checkpoint, *, exact: bool = True) -> FillJob:
    """A window of a bundled voice, of which the end is to be filled."""
    length = checkpoint.bark.fine_generation.max_fine_input_length
    voice = np.load(bundled_checkpoint() / "speaker_embeddings" / "v2" / "rms_fine_prompt.npy")
    codes = np.resize(voice.T, (length, BOOKS)).astype(np.int64)
    codes[FILL_FROM:, GIVEN:] = checkpoint.bark.codebook_size
    return FillJob(codes, FILL_FROM, None, np.zeros(codes.shape, dtype=np.float32), exact)


@pytest.mark.parametrize("weights", [torch.bfloat16, torch.int8])
def test_fast_weights_choose_nearly_the_same_codes(
    checkpoint: Checkpoint, float32_model: FineModel, weights: torch.dtype
) -> None:
    if not can_pack(CPU, weights):
        pytest.skip(f"this processor has no instructions for {weights}")
    model = load_fine(checkpoint, Placement(CPU, torch.float32, "sdpa", linear_dtype=weights))
    job = job_of(checkpoint)
    (expected,) = filler_of(float32_model, checkpoint).fill([job])
    (fast,) = filler_of(model, checkpoint).fill([job])
    same = (fast == expected)[FILL_FROM:, GIVEN:4]  # those above are constant in bark-mini
    assert same.mean() > 0.95


def test_fastest_placement_is_what_the_processor_has() -> None:
    assert FLOAT32.fastest.weights is (fast_weights(CPU) or torch.float32)
    assert FLOAT32.fastest.dtype is torch.float32
    given = Placement(CPU, torch.float32, "sdpa", linear_dtype=torch.bfloat16)
    assert given.fastest == given  # the user has chosen


def test_jobs_are_filled_with_the_weights_of_their_mode(checkpoint: Checkpoint) -> None:
    filled: list[str] = []

    def filler(mode: str) -> list[np.ndarray]:
        filled.append(mode)
        return []

    fill = by_mode(lambda _: filler("exact"), lambda _: filler("streaming"))
    fill([job_of(checkpoint, exact=True)])
    fill([job_of(checkpoint, exact=False)])
    assert filled == ["exact", "streaming"]


def test_last_layer_computes_only_positions_to_fill(checkpoint: Checkpoint) -> None:
    model = load_fine(checkpoint, FLOAT32)
    rows: Counter[str] = Counter()

    def count(name: str) -> None:
        def hook(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
            rows[name] += output.shape[1]

        model.get_submodule(name).register_forward_hook(hook)

    last = len(model.layers) - 1
    for name in ("layers.0.mlp", f"layers.{last}.mlp", f"layers.{last}.attn.out_proj"):
        count(name)
    filler_of(model, checkpoint).fill([job_of(checkpoint)])
    passes, length = BOOKS - GIVEN, checkpoint.bark.fine_generation.max_fine_input_length
    assert rows == {
        "layers.0.mlp": passes * length,
        f"layers.{last}.mlp": passes * (length - FILL_FROM),
        f"layers.{last}.attn.out_proj": passes * (length - FILL_FROM),
    }
