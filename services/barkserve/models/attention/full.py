"""Bidirectional attention over whole windows."""

import math
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional


class FullAttention(Protocol):
    """Bidirectional attention."""

    def __call__(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """Attend. q, k, v: (B, H, T, D). Returns (B, H, T, D)."""


def eager_full(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Compute softmax(q k^T / sqrt(D)) v ("Attention Is All You Need", equation 1).

    Source: transformers BarkSelfAttention._attn.
    """
    weights = torch.matmul(q, k.transpose(-1, -2)) * (1.0 / math.sqrt(q.shape[-1]))
    return torch.matmul(functional.softmax(weights, dim=-1).to(v.dtype), v)


def sdpa_full(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Call torch's scaled_dot_product_attention."""
    return functional.scaled_dot_product_attention(q, k, v)


def in_bfloat16(attend: FullAttention) -> FullAttention:
    """Attend in bfloat16. Takes and returns other dtypes."""

    def attend_rounded(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        return attend(q.bfloat16(), k.bfloat16(), v.bfloat16()).to(q.dtype)

    return attend_rounded


def flash_full(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Call flash-attn."""
    from flash_attn import flash_attn_func

    out: Tensor = flash_attn_func(q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2))
    return out.transpose(1, 2)
