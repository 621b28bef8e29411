"""The transformers compute the same bits with any number of threads.

Their number of threads depends on what other stages do at that moment. The waveform of a seed must
not.
"""

from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch

from barkserve.checkpoint.folder import bundled_checkpoint
from barkserve.checkpoint.tensors import Checkpoint
from barkserve.fine.filler import Filler
from barkserve.fine.job import FillJob
from barkserve.models.attention.slots import PromptRows
from barkserve.models.causal import CausalModel
from barkserve.models.loading import Placement, load_coarse, load_fine, load_semantic

COUNTS = (1, 2, 3)
Load = Callable[[Checkpoint, Placement], CausalModel]
CPU = Placement(torch.device("cpu"), torch.float32, "sdpa")


@pytest.fixture(scope="module")
def checkpoint() -> Checkpoint:
    return Checkpoint.open(bundled_checkpoint())


@pytest.fixture(autouse=True)
def restored_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def assert_equal_for_all(compute: Callable[[], bytes]) -> None:
    """Check that a function returns the same bytes with each number of threads."""
    results = []
    for count in COUNTS:
        torch.set_num_threads(count)
        results.append(compute())
    assert all(result == results[0] for result in results)


def hidden_states(model: CausalModel, rows: int) -> bytes:
    """Append a prompt to some slots, then one position to each: the bytes of the last layer."""
    cache = model.new_cache(rows)
    slots, length = torch.arange(rows), 100
    prompt = torch.arange(rows * length).view(rows, length, 1) % 100
    fresh = PromptRows(slots, torch.zeros_like(slots), None, length, True)
    made = [model.prefill(prompt, fresh, cache)]
    made.append(model.decode(slots, slots, torch.full_like(slots, length), cache))
    return b"".join(each.numpy().tobytes() for each in made)


@pytest.mark.parametrize("rows", [1, 5])
@pytest.mark.parametrize("load", [load_semantic, load_coarse], ids=["semantic", "coarse"])
def test_causal_model_does_not_depend_on_threads(
    checkpoint: Checkpoint, load: Load, rows: int
) -> None:
    model = load(checkpoint, CPU)
    with torch.inference_mode():
        assert_equal_for_all(lambda: hidden_states(model, rows))


def test_fine_model_does_not_depend_on_threads(checkpoint: Checkpoint) -> None:
    bark = checkpoint.bark
    filler = Filler(load_fine(checkpoint, CPU), 2, 8, bark.codebook_size)
    shape = (bark.fine_generation.max_fine_input_length, 8)
    random = np.random.default_rng(0)
    codes = random.integers(0, bark.codebook_size, shape)
    job = FillJob(codes, 10, 0.7, random.random(shape, dtype=np.float32))
    assert_equal_for_all(lambda: filler.fill([job])[0].tobytes())
