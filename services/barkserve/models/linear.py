"""Linear layers whose weights are laid out once, at loading, as a CPU reads them best.

oneDNN's blocked layout instead of rows: on a CPU a decode step then takes what reading the weights
takes, and a large batch two to three times less than with torch's default. In 8 bits a quarter of
the bytes are read, and VNNI multiplies four times as fast. Knows no layer's place in a model.
"""

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

_ROWS_HINT = 16  # oneDNN's layout for small batches; larger ones lose nothing by it
_CACHED_BYTES = 1 << 20  # a weight up to this size stays in a core's cache
_LARGEST = 127  # of the 8-bit numbers, which are used symmetrically
_ZERO = 128  # what stands for 0 in unsigned bytes, the only ones that VNNI takes on its left
_TINY = 1e-20  # keeps a position of zeros from being divided by its largest value

Activation = Literal["none", "gelu"]


class GeluLinear(nn.Linear):
    """gelu(x W^T + b), the exact GELU; one layer so that it can be packed as one."""

    def forward(self, x: Tensor) -> Tensor:
        """x: (..., in). Returns (..., out)."""
        return functional.gelu(super().forward(x))


class PackedLinear(nn.Module):
    """activation(x W^T + b), with W in oneDNN's own layout.

    A weight that fits into a core's cache keeps its rows too: for a single x oneDNN's call costs
    more than the arithmetic.

    Args:
        weight: (out, in) float32 or bfloat16 on the CPU, see can_pack.
        bias: (out,) of the same dtype, or None.
        activation: "gelu" is the exact one.
    """

    def __init__(
        self, weight: Tensor, bias: Tensor | None, activation: Activation = "none"
    ) -> None:
        super().__init__()
        self._packed = torch.ops.mkldnn._reorder_linear_weight(weight.contiguous(), _ROWS_HINT)
        self._rows = weight if weight.nbytes <= _CACHED_BYTES else None
        self._bias = bias
        self._dtype = weight.dtype
        self._activation = activation

    @property
    def nbytes(self) -> int:
        """Bytes of the weight, in both forms, and of the bias."""
        kept: int = sum(part.nbytes for part in (self._rows, self._bias) if part is not None)
        return int(self._packed.numel() * self._packed.element_size()) + kept

    def forward(self, x: Tensor) -> Tensor:
        """x: (..., in) of any float dtype. Returns (..., out) in x's."""
        fed = x.to(self._dtype)
        if self._rows is not None and x.numel() == x.shape[-1]:
            out = functional.linear(fed, self._rows, self._bias)
            out = functional.gelu(out) if self._activation == "gelu" else out
        else:
            out = torch.ops.mkldnn._linear_pointwise(
                fed, self._packed, self._bias, self._activation, [], "none"
            )
        return out.to(x.dtype)


class Int8Linear(nn.Module):
    """activation(x W^T + b) in 8-bit integers: every row of W, and every position of x as it comes,
    has a scale of its own, symmetric around 0.

    q = round(127 v / max|v|), "LLM.int8()" (arXiv:2208.07339), section 2.1, "vector-wise" without
    the outliers. The products are summed exactly, so a position's result does not depend on who
    else is in the batch.

    Args:
        weight: (out, in) float32 on the CPU, see can_pack.
        bias: (out,) float32, or None.
        activation: "gelu" is the exact one.
    """

    def __init__(
        self, weight: Tensor, bias: Tensor | None, activation: Activation = "none"
    ) -> None:
        super().__init__()
        largest = weight.abs().amax(dim=1).clamp_min(_TINY)
        rows = torch.round(weight * (_LARGEST / largest)[:, None]).to(torch.int8)
        self._packed = torch.ops.onednn.qlinear_prepack(rows, None)
        self._scales = largest / _LARGEST
        self._zeros = torch.zeros(len(rows), dtype=torch.int64)  # qlinear_pointwise wants them
        self._offset = -_ZERO * rows.sum(dim=1) * self._scales  # takes _ZERO out of the sums again
        self._bias = bias
        self._activation = activation

    @property
    def nbytes(self) -> int:
        """Bytes of the weight and of all that goes with it."""
        beside = (self._scales, self._zeros, self._offset, self._bias)
        return int(self._packed.numel()) + sum(part.nbytes for part in beside if part is not None)

    def forward(self, x: Tensor) -> Tensor:
        """x: (..., in) float32. Returns (..., out) float32."""
        scale = x.abs().amax(dim=-1, keepdim=True).clamp_min_(_TINY).mul_(1.0 / _LARGEST)
        rounded = (x / scale).add_(_ZERO + 0.5).to(torch.uint8)  # cut off, hence the half
        out: Tensor = torch.ops.onednn.qlinear_pointwise(
            *(rounded, 1.0, 0, self._packed, self._scales, self._zeros, self._offset),
            *(1.0, 0, torch.float32, "none", [], ""),
        )
        out = out.mul_(scale) if self._bias is None else torch.addcmul(self._bias, out, scale)
        return functional.gelu(out) if self._activation == "gelu" else out


def can_pack(device: torch.device, dtype: torch.dtype) -> bool:
    """Whether weights of this kind have a packed layout in this build of torch, on this
    processor.
    """
    if device.type != "cpu" or not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        return False
    if dtype is torch.int8:
        return torch.cpu._is_vnni_supported() and _int8_products_are_exact()
    if dtype is torch.bfloat16:
        return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
    return dtype is torch.float32


def _int8_products_are_exact() -> bool:
    """Whether oneDNN's kernel adds up products without saturating.

    Without VNNI it adds pairs of products in 16 bits, which are too few for 2 * 255 * 127. A
    processor with VNNI takes that kernel too when ONEDNN_MAX_CPU_ISA forbids VNNI.
    """
    width = 64
    out = Int8Linear(torch.ones(16, width), None)(torch.ones(1, width))
    return bool(torch.allclose(out, torch.full_like(out, width)))


def linear_of(weight: Tensor, dtype: torch.dtype) -> nn.Module:
    """A linear layer without bias over this (out, in) weight, packed in that dtype where that can
    be.
    """
    layer = nn.Linear(weight.shape[1], weight.shape[0], bias=False, device="meta")
    layer.weight = nn.Parameter(weight, requires_grad=False)
    return _packed(layer, dtype) if can_pack(weight.device, dtype) else layer


def pack_linear(module: nn.Module, dtype: torch.dtype) -> None:
    """Replace every nn.Linear inside a module by its packed form with weights of that dtype, where
    that can be.
    """
    for name, child in module.named_children():
        if isinstance(child, nn.Linear) and can_pack(child.weight.device, dtype):
            setattr(module, name, _packed(child, dtype))
        else:
            pack_linear(child, dtype)


def _packed(layer: nn.Linear, dtype: torch.dtype) -> PackedLinear | Int8Linear:
    activation: Activation = "gelu" if isinstance(layer, GeluLinear) else "none"
    weight = layer.weight.detach()
    bias = None if layer.bias is None else layer.bias.detach()
    if dtype is torch.int8:
        return Int8Linear(weight, bias, activation)
    return PackedLinear(weight.to(dtype), None if bias is None else bias.to(dtype), activation)
