"""Linear layers whose weights are packed for a CPU when they are loaded.

They use oneDNN's blocked layout instead of rows. A decode step is then limited by memory bandwidth,
and a large batch takes a half to a third of the time of torch's default. With int8 weights a
quarter of the bytes are read, and VNNI multiplies four times as fast.
"""

from collections.abc import Collection
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

_ROWS_HINT = 16  # oneDNN's layout for small batches; it is as fast for large ones
_CACHED_BYTES = 1 << 20  # a weight up to this size stays in a core's cache
_INT8_MAX = 127  # the range is symmetric
_ZERO_POINT = 128  # VNNI takes only unsigned bytes on its left side
_EPSILON = 1e-20  # lower bound of a scale: a row can be all zeros

Activation = Literal["none", "gelu"]


class GeluLinear(nn.Linear):
    """gelu(x W^T + b) with the exact GELU, as one layer that can be packed."""

    def forward(self, x: Tensor) -> Tensor:
        """Compute the layer. x: (..., in). Returns (..., out)."""
        return functional.gelu(super().forward(x))


class PackedLinear(nn.Module):
    """activation(x W^T + b) with W in oneDNN's layout.

    A weight that fits into a core's cache is kept in both layouts. For a single row of x a call of
    oneDNN costs more than the arithmetic.

    Args:
        weight: (out, in) float32 or bfloat16 on the CPU, see can_pack.
        bias: (out,) of the same dtype, or None.
        activation: "gelu" is the exact GELU.
        rounded: return the dtype of the weight, because what follows rounds to it.
    """

    def __init__(
        self,
        weight: Tensor,
        bias: Tensor | None,
        activation: Activation = "none",
        rounded: bool = False,
    ) -> None:
        super().__init__()
        self._packed = torch.ops.mkldnn._reorder_linear_weight(weight.contiguous(), _ROWS_HINT)
        self._rows = weight if weight.nbytes <= _CACHED_BYTES else None
        self._bias = bias
        self._dtype = weight.dtype
        self._activation = activation
        self._rounded = rounded

    @property
    def nbytes(self) -> int:
        """Bytes of the weight in both layouts and of the bias."""
        kept: int = sum(part.nbytes for part in (self._rows, self._bias) if part is not None)
        return int(self._packed.numel() * self._packed.element_size()) + kept

    def forward(self, x: Tensor) -> Tensor:
        """Compute the layer.

        x: (..., in) of any float dtype. Returns (..., out) of the same, or rounded.
        """
        inputs = x.to(self._dtype)
        if self._rows is not None and x.numel() == x.shape[-1]:
            out = functional.linear(inputs, self._rows, self._bias)
            out = functional.gelu(out) if self._activation == "gelu" else out
        else:
            out = torch.ops.mkldnn._linear_pointwise(
                inputs, self._packed, self._bias, self._activation, [], "none"
            )
        return out if self._rounded else out.to(x.dtype)


class Int8Linear(nn.Module):
    """activation(x W^T + b) in 8-bit integers, with one symmetric scale per row of W and of x.

    q = round(127 v / max|v|): "LLM.int8()" (arXiv:2208.07339), section 2.1, vector-wise
    quantization without outliers. x is quantized on the fly. Integer sums are exact, so a row's
    result does not depend on the other rows of the batch.

    Args:
        weight: (out, in) float32 on the CPU, see can_pack.
        bias: (out,) float32, or None.
        activation: "gelu" is the exact GELU.
    """

    def __init__(
        self, weight: Tensor, bias: Tensor | None, activation: Activation = "none"
    ) -> None:
        super().__init__()
        largest = weight.abs().amax(dim=1).clamp_min(_EPSILON)
        rows = torch.round(weight * (_INT8_MAX / largest)[:, None]).to(torch.int8)
        self._packed = torch.ops.onednn.qlinear_prepack(rows, None)
        self._scales = largest / _INT8_MAX
        self._zeros = torch.zeros(len(rows), dtype=torch.int64)  # required by qlinear_pointwise
        self._offset = (
            -_ZERO_POINT * rows.sum(dim=1) * self._scales
        )  # removes the zero point from the sums
        self._bias = bias
        self._activation = activation

    @property
    def nbytes(self) -> int:
        """Bytes of the weight, its scales and offsets, and the bias."""
        others = (self._scales, self._zeros, self._offset, self._bias)
        return int(self._packed.numel()) + sum(part.nbytes for part in others if part is not None)

    def forward(self, x: Tensor) -> Tensor:
        """Compute the layer. x: (..., in) float32. Returns (..., out) float32."""
        scale = x.abs().amax(dim=-1, keepdim=True).clamp_min_(_EPSILON).mul_(1.0 / _INT8_MAX)
        rounded = (x / scale).add_(_ZERO_POINT + 0.5).to(torch.uint8)  # truncates, hence the 0.5
        out: Tensor = torch.ops.onednn.qlinear_pointwise(
            *(rounded, 1.0, 0, self._packed, self._scales, self._zeros, self._offset),
            *(1.0, 0, torch.float32, "none", [], ""),
        )
        out = out.mul_(scale) if self._bias is None else torch.addcmul(self._bias, out, scale)
        return functional.gelu(out) if self._activation == "gelu" else out


def can_pack(device: torch.device, dtype: torch.dtype) -> bool:
    """Whether this build of torch and this processor can pack weights of a dtype."""
    if device.type != "cpu" or not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        return False
    if dtype is torch.int8:
        return torch.cpu._is_vnni_supported() and _int8_products_are_exact()
    if dtype is torch.bfloat16:
        return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
    return dtype is torch.float32


def fast_weights(device: torch.device) -> torch.dtype | None:
    """The dtype of weights that this processor multiplies fastest; None: no faster than float32."""
    if device.type != "cpu":
        return None
    if torch.cpu._is_amx_tile_supported() or torch.cpu._is_avx512_bf16_supported():
        return torch.bfloat16 if can_pack(device, torch.bfloat16) else None
    return torch.int8 if can_pack(device, torch.int8) else None


def _int8_products_are_exact() -> bool:
    """Whether oneDNN's kernel adds up products without saturating.

    Without VNNI it adds pairs of products in 16 bits, which are too few for 2 * 255 * 127. A
    processor with VNNI takes that kernel too when ONEDNN_MAX_CPU_ISA forbids VNNI.
    """
    width = 64
    out = Int8Linear(torch.ones(16, width), None)(torch.ones(1, width))
    return bool(torch.allclose(out, torch.full_like(out, width)))


def linear_of(weight: Tensor, dtype: torch.dtype) -> nn.Module:
    """Make a linear layer without bias from an (out, in) weight, packed if possible."""
    layer = nn.Linear(weight.shape[1], weight.shape[0], bias=False, device="meta")
    layer.weight = nn.Parameter(weight, requires_grad=False)
    return _packed(layer, dtype) if can_pack(weight.device, dtype) else layer


def pack_linear(module: nn.Module, dtype: torch.dtype, rounded: Collection[str] = ()) -> None:
    """Replace every nn.Linear inside a module by a packed one of that dtype, if possible.

    Args:
        module: the module.
        dtype: dtype of the packed weights.
        rounded: names of layers that return this dtype. A GeluLinear always does: a packed layer
            follows it.
    """
    for name, child in module.named_children():
        if isinstance(child, nn.Linear) and can_pack(child.weight.device, dtype):
            setattr(module, name, _packed(child, dtype, name in rounded))
        else:
            pack_linear(child, dtype, rounded)


def _packed(
    layer: nn.Linear, dtype: torch.dtype, rounded: bool = False
) -> PackedLinear | Int8Linear:
    activation: Activation = "gelu" if isinstance(layer, GeluLinear) else "none"
    weight = layer.weight.detach()
    bias = None if layer.bias is None else layer.bias.detach()
    if dtype is torch.int8:
        return Int8Linear(weight, bias, activation)
    rounded = rounded or activation == "gelu"
    bias = None if bias is None else bias.to(dtype)
    return PackedLinear(weight.to(dtype), bias, activation, rounded)
