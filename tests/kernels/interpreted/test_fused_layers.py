"""The fused decode step equals torch in float32, and a row's bits do not depend on the batch."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from barkserve.kernels.fused_layers import FusedLayers
from tests.support.decode_step import Step, random_step, reference_step


def fused(step: Step) -> Tensor:
    """The normalized states that the kernels compute."""
    layers = FusedLayers(step.layers, step.norm, step.heads)
    return layers(step.x, step.cache, step.slots, step.starts)


def test_fused_step_equals_torch() -> None:
    step = random_step(2, 2, bias=True, width=32)
    expected = reference_step(step)
    torch.testing.assert_close(fused(step), expected, rtol=0, atol=1e-5)


def test_fused_step_stores_keys_and_records_queries() -> None:
    step = random_step(2, 1, positions=20)
    step.starts.fill_(5)
    before, queries = step.cache.clone(), {}
    layers = FusedLayers(step.layers, step.norm, step.heads)
    layers(step.x, step.cache, step.slots, step.starts, queries.__setitem__)
    normed = functional.layer_norm(step.x, (64,), step.layers[0].attention_norm.gain)
    q, k, v = functional.linear(normed, step.layers[0].qkv.weight).split(64, dim=1)
    stored = step.cache[0, :, step.slots, 0, 5]
    torch.testing.assert_close(stored, torch.stack([k, v]), rtol=0, atol=1e-5)
    assert list(queries) == [0, 1]
    torch.testing.assert_close(queries[0].flatten(1), q, rtol=0, atol=1e-5)
    others = torch.arange(20) != 5
    assert torch.equal(step.cache[:, :, :, :, others], before[:, :, :, :, others])
    assert not torch.equal(step.cache[1], before[1])


def test_fused_step_in_float16_is_near_float32() -> None:
    step = random_step(2, 1, torch.float16, layers=1)
    expected = reference_step(step)
    torch.testing.assert_close(fused(step).float(), expected, rtol=0, atol=4e-3)


@pytest.mark.usefixtures("products_without_position")
def test_fused_row_has_the_same_bits_among_others() -> None:
    step = random_step(16, 1, layers=1, positions=150)
    alone = step.rows([9])
    assert torch.equal(fused(step)[9], fused(alone)[0])


def test_logits_equal_torch() -> None:
    step = random_step(2, 1)
    hidden = torch.randn(2, 64)
    layers = FusedLayers(step.layers, step.norm, step.heads)
    logits = layers.logits(hidden, step.head)
    assert logits.dtype is torch.float32
    expected = functional.linear(hidden, step.head.weight)
    torch.testing.assert_close(logits, expected, rtol=0, atol=1e-5)


@pytest.mark.sweep
@pytest.mark.parametrize("others", [15, 63])
@pytest.mark.parametrize("heads", [2, 3])
def test_fused_row_has_the_same_bits_among_many(others: int, heads: int) -> None:
    step = random_step(others + 1, heads, bias=True, positions=400)
    rows = [0, others // 2, others]
    together = fused(step.rows(list(range(others + 1))))
    for row in rows:
        assert torch.equal(together[row], fused(step.rows([row]))[0])


@pytest.mark.sweep
@pytest.mark.parametrize("heads", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("rows", [1, 16, 17])
def test_fused_step_equals_torch_for_each_shape(heads: int, rows: int) -> None:
    step = random_step(rows, heads, bias=heads % 2 == 0, positions=200)
    expected = reference_step(step)
    torch.testing.assert_close(fused(step), expected, rtol=0, atol=2e-5)
