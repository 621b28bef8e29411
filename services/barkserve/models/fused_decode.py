"""Gives the weights of a causal model to the fused kernels."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from torch import nn

from barkserve.kernels.layer_weights import LayerWeights, Linear, Norm
from barkserve.models.transformer import Block

if TYPE_CHECKING:
    from barkserve.kernels.fused_layers import FusedLayers


def fused_layers(
    blocks: Sequence[Block], final_norm: nn.LayerNorm, dependent_launch: bool
) -> "FusedLayers":
    """Make the kernels of a model's decode step. Its weights stay where they are.

    Args:
        blocks: the layers, not packed for a CPU.
        final_norm: the LayerNorm after them.
        dependent_launch: see FusedLayers.
    """
    from barkserve.kernels.fused_layers import FusedLayers  # needs Triton

    layers = [
        LayerWeights(
            attention_norm=_norm(block.layernorm_1),
            qkv=linear_weights(block.attn.att_proj),
            out=linear_weights(block.attn.out_proj),
            mlp_norm=_norm(block.layernorm_2),
            mlp_in=linear_weights(block.mlp.in_proj),
            mlp_out=linear_weights(block.mlp.out_proj),
        )
        for block in blocks
    ]
    heads = blocks[0].attn.num_heads
    return FusedLayers(layers, _norm(final_norm), heads, dependent_launch)


def linear_weights(layer: nn.Module) -> Linear:
    """Give the weights of a linear layer that is not packed for a CPU."""
    assert isinstance(layer, nn.Linear)
    return Linear(layer.weight, layer.bias)


def _norm(norm: nn.LayerNorm) -> Norm:
    return Norm(norm.weight, norm.bias, norm.eps)
