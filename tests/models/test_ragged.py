"""Decode attention by bags covers exactly the positions of each row."""

import pytest
import torch
from torch.nn import functional

from barkserve.models.ragged import Bags

HEADS, POSITIONS, WIDTH = 3, 11, 16


@pytest.mark.parametrize("lengths", [[1, 11, 4], [5, 5, 5]], ids=str)
@pytest.mark.parametrize("slots", [[0, 1, 2], [3, 0, 2]], ids=str)
def test_bags_attend_to_the_positions_of_each_row(lengths: list[int], slots: list[int]) -> None:
    torch.manual_seed(0)
    keys, values = torch.randn(2, 4, HEADS, POSITIONS, WIDTH)
    for slot, length in zip(slots, lengths, strict=True):
        keys[slot, :, length:] = values[slot, :, length:] = torch.nan
    q = torch.randn(3, HEADS, 1, WIDTH)
    out = Bags.for_slots(torch.tensor(slots), lengths, HEADS, POSITIONS).attend(q, keys, values)
    for row, (slot, length) in enumerate(zip(slots, lengths, strict=True)):
        held = keys[slot, :, :length], values[slot, :, :length]
        expected = functional.scaled_dot_product_attention(q[row], *held)
        torch.testing.assert_close(out[row], expected)
