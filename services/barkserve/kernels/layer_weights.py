"""The weights that the fused kernels read. This module needs no Triton."""

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Norm:
    """A LayerNorm. gain: (hidden,); shift: (hidden,) or None."""

    gain: Tensor
    shift: Tensor | None
    eps: float


@dataclass(frozen=True)
class Linear:
    """A linear layer. weight: (out, in); bias: (out,) or None."""

    weight: Tensor
    bias: Tensor | None


@dataclass(frozen=True)
class LayerWeights:
    """The weights of one pre-norm transformer layer."""

    attention_norm: Norm
    qkv: Linear
    out: Linear
    mlp_norm: Norm
    mlp_in: Linear
    mlp_out: Linear
