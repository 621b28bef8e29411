"""Memory is freed and restored with all of its views. The CPU stands in for a GPU."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from barkserve.checkpoint.tensors import Checkpoint
from barkserve.codec.decoder import Decoder
from barkserve.codec.job import DecodeJob
from barkserve.engine.graphs import Graphs
from barkserve.engine.model_runner import ModelRunner
from barkserve.engine.offload import Offload
from barkserve.models.attention.sdpa import SdpaAttention
from barkserve.models.loading import Placement, load_codec
from fixtures.checkpoints import TINY, CheckpointSpec
from tests.engine.test_graphs import FakeCapture
from tests.engine.test_model_runner import coarse_model, in_slots, random_prompt, run

CheckpointOf = Callable[[CheckpointSpec], Path]


@torch.no_grad()
def test_reload_restores_views_and_shared_weights() -> None:
    lstm, linear = nn.LSTM(8, 8, 2), nn.Linear(16, 64)
    rows = nn.Parameter(linear.weight.detach()[5:21], requires_grad=False)
    cache = torch.ones(2, 100)
    weights = [*lstm.parameters(), *linear.parameters(), rows]
    before = [weight.clone() for weight in weights]
    x = torch.randn(3, 1, 8)
    expected = lstm(x)[0]
    offload = Offload(weights, [cache])
    own = sum(weight.nbytes for weight in weights) - rows.nbytes
    for _ in range(2):
        assert offload.offload() == own + cache.nbytes
        assert all(weight.untyped_storage().nbytes() == 0 for weight in (*weights, cache))
        offload.reload()
        assert all(map(torch.equal, weights, before))
        assert rows.data_ptr() == linear.weight[5].data_ptr()
        assert torch.equal(lstm(x)[0], expected)
        assert torch.equal(cache, torch.zeros(2, 100))


def test_offload_copies_to_the_host_once() -> None:
    weight = torch.arange(8.0)
    offload = Offload([weight])
    offload.offload()
    offload.reload()
    weight.zero_()  # weights never change; here it shows which copy is restored
    offload.offload()
    offload.reload()
    assert torch.equal(weight, torch.arange(8.0))


class Scarce(torch.Tensor):
    """A cache whose allocation fails at first."""

    short = True

    def zero_(self) -> torch.Tensor:
        if self.short:
            raise torch.OutOfMemoryError("no room")
        return super().zero_()


def test_reload_can_be_repeated_after_a_failure() -> None:
    weight, cache = torch.arange(8.0), torch.ones(100).as_subclass(Scarce)
    offload = Offload([weight], [cache])
    offload.offload()
    with pytest.raises(torch.OutOfMemoryError):
        offload.reload()
    assert (weight.untyped_storage().nbytes(), cache.untyped_storage().nbytes()) == (0, 0)
    cache.short = False
    offload.reload()
    assert torch.equal(weight, torch.arange(8.0))


@pytest.mark.parametrize("graphs", [False, True], ids=["plain", "graphs"])
def test_reload_restores_a_causal_model(checkpoint_of: CheckpointOf, graphs: bool) -> None:
    model = coarse_model(checkpoint_of(TINY))
    heads = [np.arange(10, 30), np.array([3, 40, 41, 90])]  # a view of the weights, and a copy
    capture = FakeCapture()
    if graphs:
        model.attention = SdpaAttention()
    runner = ModelRunner(model, heads, 4, Graphs(capture) if graphs else None)
    runner.capture(ids_per_position=1)
    captured = capture.captured
    prompts = [random_prompt(model, 20, seed) for seed in range(3)]

    def tokens() -> list[list[int]]:
        run(runner, in_slots([prompt[:19] for prompt in prompts], [2, 0, 1]))
        batch = in_slots(prompts, [2, 0, 1], cached=19)
        batch.requests[1].heads = range(1, 2)
        return run(runner, batch)

    expected = tokens()
    offload = runner.offload()
    assert offload.offload() > model.new_cache(4).nbytes
    offload.reload()
    assert tokens() == expected
    assert capture.captured == captured + 2 * graphs  # only the sizes that were used


def test_reload_restores_a_codec(checkpoint_of: CheckpointOf) -> None:
    checkpoint = Checkpoint.open(checkpoint_of(TINY))
    model = load_codec(checkpoint, Placement(torch.device("cpu"), torch.float32, "sdpa"))
    decoder = Decoder(model)
    books = checkpoint.bark.fine_generation.n_fine_codebooks
    job = DecodeJob(np.arange(20 * books).reshape(20, books) % TINY.codebook_size, None)
    expected = decoder.decode([job])[0].samples
    offload = decoder.offload()
    assert offload.offload() > 0
    assert not any(parameter.untyped_storage().nbytes() for parameter in model.parameters())
    with pytest.raises(RuntimeError):  # instead of noise
        decoder.decode([job])
    offload.reload()
    assert np.array_equal(decoder.decode([job])[0].samples, expected)
