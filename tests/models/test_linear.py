"""Packed linear layers: the same numbers as torch's own, whatever the size, dtype and batch."""

import pytest
import torch
from torch import nn

from barkserve.models.linear import GeluLinear, PackedLinear, can_pack, pack_linear

CPU = torch.device("cpu")
SIZES = [pytest.param((24, 16), id="cached"), pytest.param((768, 640), id="large")]

pytestmark = pytest.mark.skipif(not can_pack(CPU, torch.float32), reason="torch without oneDNN")


def layer_of(kind: type[nn.Linear], size: tuple[int, int], bias: bool) -> nn.Linear:
    torch.manual_seed(0)
    return kind(size[1], size[0], bias=bias).requires_grad_(False)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("kind", [nn.Linear, GeluLinear])
@pytest.mark.parametrize("rows", [1, 5, 70])
def test_packed_equals_unpacked(
    kind: type[nn.Linear], size: tuple[int, int], bias: bool, rows: int
) -> None:
    whole = nn.Sequential(layer_of(kind, size, bias))
    x = torch.randn(rows, 1, size[1])
    expected = whole(x)
    pack_linear(whole, torch.float32)
    assert isinstance(whole[0], PackedLinear)
    torch.testing.assert_close(whole(x), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("rows", [1, 9])
@pytest.mark.skipif(not can_pack(CPU, torch.bfloat16), reason="no bfloat16 instructions")
def test_bfloat16_weights_take_and_give_float32(size: tuple[int, int], rows: int) -> None:
    whole = nn.Sequential(layer_of(GeluLinear, size, True))
    x = torch.randn(rows, size[1])
    expected = whole(x)
    pack_linear(whole, torch.bfloat16)
    got = whole(x)
    assert got.dtype is torch.float32
    assert (got - expected).abs().max() < 0.03
    assert not torch.equal(got, expected)


def test_a_small_weight_is_counted_in_both_its_forms() -> None:
    small, large = (
        PackedLinear(layer_of(nn.Linear, size, True).weight, None)
        for size in ((24, 16), (768, 640))
    )
    assert small.nbytes == 2 * 24 * 16 * 4
    assert large.nbytes == 768 * 640 * 4
