"""Decode attention equals torch's, and a row's bits do not depend on the batch."""

import pytest
import torch

from barkserve.kernels import decode_attention
from barkserve.kernels.decode_attention import attend_slots, chunks_per_program
from tests.support.decode_step import Step, random_step, reference_attention

TOLERANCE = {torch.float32: 1e-6, torch.float16: 1e-3, torch.bfloat16: 8e-3}


def projections(step: Step) -> tuple[torch.Tensor, ...]:
    """Views of one tensor, as the QKV layer makes them: each (B, H, D)."""
    generator = torch.Generator().manual_seed(3)
    shape = (len(step.x), 3, step.heads, step.cache.shape[-1])
    return torch.randn(shape, generator=generator).to(step.cache.dtype).unbind(1)


@pytest.mark.parametrize("dtype", TOLERANCE)
def test_attention_equals_torch(dtype: torch.dtype) -> None:
    step = random_step(4, 2, dtype)
    q, k, v = projections(step)
    expected = reference_attention(q, k, v, step, 0)
    out = attend_slots(q, k, v, step.cache[0], step.slots, step.starts)
    torch.testing.assert_close(out.float(), expected, rtol=0, atol=TOLERANCE[dtype])


def test_attention_stores_only_the_new_position() -> None:
    step = random_step(3, 2, torch.float16)
    q, k, v = projections(step)
    expected = step.cache.clone()
    for row, (slot, start) in enumerate(zip(step.slots, step.starts, strict=True)):
        expected[0, 0, slot, :, start] = k[row]
        expected[0, 1, slot, :, start] = v[row]
    attend_slots(q, k, v, step.cache[0], step.slots, step.starts)
    assert torch.equal(step.cache, expected)


def test_full_slot_is_left_as_it_is() -> None:
    step = random_step(2, 2)
    q, k, v = projections(step)
    before = step.cache.clone()
    starts = torch.full_like(step.starts, step.cache.shape[4])
    attend_slots(q, k, v, step.cache[0], step.slots, starts)
    assert torch.equal(step.cache, before)


def test_chunks_per_program_change_no_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    step = random_step(3, 2)
    q, k, v = projections(step)
    outs = []
    for busy in (4096, 9, 1):
        monkeypatch.setattr(decode_attention, "_BUSY", busy)
        outs.append(attend_slots(q, k, v, step.cache[0].clone(), step.slots, step.starts))
    assert torch.equal(outs[0], outs[1])
    assert torch.equal(outs[0], outs[2])


@pytest.mark.parametrize("others", [15, pytest.param(63, marks=pytest.mark.sweep)])
def test_row_has_the_same_bits_among_others(others: int) -> None:
    step = random_step(others + 1, 1)
    row = others // 2
    projected = projections(step)
    alone = step.rows([row])
    together = attend_slots(*projected, step.cache[0], step.slots, step.starts)
    single = attend_slots(
        *(each[row : row + 1] for each in projected), alone.cache[0], alone.slots, alone.starts
    )
    assert torch.equal(together[row], single[0])


@pytest.mark.sweep
@pytest.mark.parametrize("positions", [64, 100, 128, 129, 256, 512, 1024])
@pytest.mark.parametrize("width", [16, 32, 64, 128])
def test_attention_equals_torch_for_each_shape(positions: int, width: int) -> None:
    step = random_step(5, 3, positions=positions, layers=1, width=width)
    q, k, v = projections(step)
    expected = reference_attention(q, k, v, step, 0)
    out = attend_slots(q, k, v, step.cache[0], step.slots, step.starts)
    torch.testing.assert_close(out, expected, rtol=0, atol=2e-6)


def test_chunks_per_program_grow_with_the_batch() -> None:
    assert [chunks_per_program(12 * rows, 8) for rows in (1, 16, 64, 128, 256)] == [1, 1, 2, 4, 8]
