"""Packed linear layers equal torch's own for each size, dtype and batch."""

import pytest
import torch
from torch import nn

from barkserve.models.linear import (
    GeluLinear,
    Int8Linear,
    PackedLinear,
    can_pack,
    pack_linear,
)
from barkserve.models.memory import weight_bytes
from barkserve.models.transformer import FeedForward

CPU = torch.device("cpu")
SIZES = [pytest.param((24, 16), id="cached"), pytest.param((768, 640), id="large")]

needs_vnni = pytest.mark.skipif(not can_pack(CPU, torch.int8), reason="no VNNI instructions")
pytestmark = pytest.mark.skipif(not can_pack(CPU, torch.float32), reason="torch without oneDNN")


def layer_of(kind: type[nn.Linear], size: tuple[int, int], bias: bool) -> nn.Linear:
    torch.manual_seed(0)
    return kind(size[1], size[0], bias=bias).requires_grad_(False)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("kind", [nn.Linear, GeluLinear])
@pytest.mark.parametrize("rows", [1, 5, 70])
def test_packed_linear_equals_unpacked(
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
def test_bfloat16_linear_takes_and_returns_float32(size: tuple[int, int], rows: int) -> None:
    whole = nn.Sequential(layer_of(nn.Linear, size, True))
    x = torch.randn(rows, size[1])
    expected = whole(x)
    pack_linear(whole, torch.bfloat16)
    got = whole(x)
    assert got.dtype is torch.float32
    assert (got - expected).abs().max() < 0.03
    assert not torch.equal(got, expected)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("rows", [1, 9])
@pytest.mark.skipif(not can_pack(CPU, torch.bfloat16), reason="no bfloat16 instructions")
def test_rounded_linear_returns_the_same_in_bfloat16(size: tuple[int, int], rows: int) -> None:
    layer = layer_of(nn.Linear, size, True).bfloat16()
    x = torch.randn(rows, size[1])
    kept, rounded = (PackedLinear(layer.weight, layer.bias, "gelu", each) for each in (False, True))
    assert rounded(x).dtype is torch.bfloat16
    assert torch.equal(rounded(x).float(), kept(x))


@pytest.mark.skipif(not can_pack(CPU, torch.bfloat16), reason="no bfloat16 instructions")
def test_packed_feed_forward_keeps_bfloat16() -> None:
    mlp = FeedForward(64, bias=False).requires_grad_(False)
    x = torch.randn(1, 5, 64)
    expected = mlp(x)
    pack_linear(mlp, torch.bfloat16)
    out = mlp(x)
    assert out.dtype is torch.bfloat16
    assert (out - expected).abs().max() < 0.03


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("kind", [nn.Linear, GeluLinear])
@needs_vnni
def test_int8_error_is_bounded_by_rounding(
    kind: type[nn.Linear], size: tuple[int, int], bias: bool
) -> None:
    layer = layer_of(kind, size, bias)
    x = torch.randn(3, 7, size[1])
    x[1] *= 100  # each row has a scale of its own
    expected = layer(x)
    whole = nn.Sequential(layer)
    pack_linear(whole, torch.int8)
    assert isinstance(whole[0], Int8Linear)
    error = (whole(x) - expected).abs()
    of_x = 0.5 / 127 * x.abs().amax(dim=-1, keepdim=True)
    of_weight = 0.5 / 127 * layer.weight.abs().amax(dim=1)
    bound = (
        of_x * layer.weight.abs().sum(dim=1)
        + of_weight * x.abs().sum(dim=-1, keepdim=True)
        + of_x * of_weight * size[1]
    )
    slope = 1.13 if kind is GeluLinear else 1.0  # the maximum slope of GELU
    assert (error <= slope * bound + 1e-4).all()
    assert error.max() > 0


@needs_vnni
def test_int8_row_does_not_depend_on_other_rows() -> None:
    layer = Int8Linear(layer_of(nn.Linear, (768, 640), True).weight, None)
    x = torch.randn(19, 640)
    x[3] = 0
    together = layer(x)
    assert all(torch.equal(layer(row[None])[0], out) for row, out in zip(x, together, strict=True))
    assert torch.equal(together[3], torch.zeros(768))


@needs_vnni
def test_int8_weight_takes_a_quarter_of_the_bytes() -> None:
    layer = Int8Linear(layer_of(nn.Linear, (768, 640), True).weight, None)
    assert layer.nbytes == 768 * 640 + 768 * (4 + 8 + 4)
    assert weight_bytes(nn.Sequential(layer)) == layer.nbytes


def test_small_packed_weight_counts_both_layouts() -> None:
    small, large = (
        PackedLinear(layer_of(nn.Linear, size, True).weight, None)
        for size in ((24, 16), (768, 640))
    )
    assert small.nbytes == 2 * 24 * 16 * 4
    assert large.nbytes == 768 * 640 * 4
