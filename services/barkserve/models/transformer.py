"""The GPT-2 block of all three Bark transformers. Attention and its cache are a parameter.

Parameters have the names of transformers' BarkBlock, so a checkpoint loads by name.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from barkserve.models.linear import GeluLinear

Attend = Callable[[Tensor, Tensor, Tensor], Tensor]
"""(q, k, v), each (B, heads, T, head_dim) -> (B, heads, T, head_dim)."""


def embedding(count: int, width: int) -> nn.Embedding:
    """Make an embedding with uninitialized weights, to be loaded from a checkpoint.

    nn.Embedding would initialize itself. On the meta device torch then loads its compiler, which
    takes seconds and 70 MB.
    """
    table: nn.Embedding = nn.Embedding.from_pretrained(torch.empty(count, width))  # type: ignore[no-untyped-call]
    return table


class SelfAttention(nn.Module):
    """Attention with its projections. Source: transformers BarkSelfAttention."""

    def __init__(self, hidden_size: int, num_heads: int, bias: bool) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.att_proj = nn.Linear(hidden_size, 3 * hidden_size, bias=bias)
        self.out_proj = nn.Linear(hidden_size, hidden_size, bias=bias)

    def forward(self, x: Tensor, attend: Attend, start: int = 0) -> Tensor:
        """Attend from some positions to all. x: (B, T, hidden). Returns (B, T - start, hidden)."""
        batch, length, hidden = x.shape
        heads = self.att_proj(x).view(batch, length, 3, self.num_heads, hidden // self.num_heads)
        q, k, v = heads.permute(2, 0, 3, 1, 4)  # each (B, heads, T, head_dim)
        attended = attend(q[:, :, start:], k, v).transpose(1, 2)
        out: Tensor = self.out_proj(attended.reshape(batch, length - start, hidden))
        return out


class FeedForward(nn.Module):
    """Two linear layers with an exact GELU between them. Source: transformers BarkMLP."""

    def __init__(self, hidden_size: int, bias: bool) -> None:
        super().__init__()
        self.in_proj = GeluLinear(hidden_size, 4 * hidden_size, bias=bias)
        self.out_proj = nn.Linear(4 * hidden_size, hidden_size, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        """Compute both layers. x: (..., hidden). Returns the same shape."""
        out: Tensor = self.out_proj(self.in_proj(x))
        return out


class Block(nn.Module):
    """One pre-norm transformer layer. Source: transformers BarkBlock."""

    def __init__(self, hidden_size: int, num_heads: int, bias: bool, norm_bias: bool) -> None:
        super().__init__()
        self.layernorm_1 = nn.LayerNorm(hidden_size, bias=norm_bias)
        self.layernorm_2 = nn.LayerNorm(hidden_size, bias=norm_bias)
        self.attn = SelfAttention(hidden_size, num_heads, bias)
        self.mlp = FeedForward(hidden_size, bias)

    def forward(self, x: Tensor, attend: Attend, start: int = 0) -> Tensor:
        """Compute the layer.

        Args:
            x: (B, T, hidden).
            attend: attends.
            start: first position that the next layer needs.

        Returns:
            (B, T - start, hidden).
        """
        x = x[:, start:] + self.attn(self.layernorm_1(x), attend, start)
        out: Tensor = x + self.mlp(self.layernorm_2(x))
        return out
