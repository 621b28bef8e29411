"""Decode attention over slots of a key/value cache, without copies of the cache.

Needs Triton: torch's CUDA builds contain it. Import this module only where it is used.
"""

import math
from dataclasses import dataclass

import torch
import triton
from torch import Tensor

from barkserve.kernels.attention_kernels import attend_chunks, join_chunks
from barkserve.kernels.launch_device import device_of

CHUNK = 128  # positions; part of the definition of the sum, so it is the same for every batch
_BLOCK = 64  # positions that a program loads at once
_JOINED = 4  # rows and heads that a program joins
_WARPS = 4
_BUSY = 4096  # programs that fill a GPU: with more, a program computes several chunks


@dataclass(frozen=True)
class ChunkSums:
    """The result of attention over each chunk of positions, not yet joined.

    Attributes:
        sums: (B, H, chunks, D) float32, the weighted sums of values.
        maxima: (B, H, chunks) float32, the largest scores.
        weights: (B, H, chunks) float32, the sums of exp(score - maximum).
    """

    sums: Tensor
    maxima: Tensor
    weights: Tensor

    @property
    def chunks(self) -> int:
        """Number of chunks in a slot."""
        return self.sums.shape[2]


def attend_slots(
    q: Tensor, k: Tensor, v: Tensor, cache: Tensor, slots: Tensor, starts: Tensor
) -> Tensor:
    """Append one position to each row's slot, and attend over the slot.

    A row's result depends on its own slot only: not on the number of rows, nor on their lengths.

    Args:
        q: (B, H, D); each head dense, and rows at one stride, as in a view of all projections.
        k: like q, with the same strides.
        v: like q, with the same strides.
        cache: (2, slots, H, P, D) of one layer, written in place; each slot dense.
        slots: (B,) integers on the device, each at most once.
        starts: (B,) integers on the device, positions that each slot already holds. A row whose
            slot is full is not stored.

    Returns:
        (B, H, D) in the dtype of q.
    """
    rows, heads, width = q.shape
    out = torch.empty((rows, heads, width), dtype=q.dtype, device=q.device)
    with device_of(q):
        chunks = attend_in_chunks(q, k, v, cache, slots, starts)
        join_chunks[(triton.cdiv(rows * heads, _JOINED),)](
            *(chunks.sums, chunks.maxima, chunks.weights, out, rows * heads),
            *(width, chunks.chunks, triton.next_power_of_2(chunks.chunks), _JOINED),
            num_warps=_WARPS,
        )
    return out


def attend_in_chunks(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    cache: Tensor,
    slots: Tensor,
    starts: Tensor,
    dependent_launch: bool = False,
) -> ChunkSums:
    """Do the same as attend_slots, but leave the chunks to be joined by another kernel."""
    rows, heads, width = q.shape
    positions = cache.shape[3]
    chunks = triton.cdiv(positions, CHUNK)
    sums = torch.empty((rows, heads, chunks, width), dtype=torch.float32, device=q.device)
    maxima, weights = torch.empty((2, rows, heads, chunks), dtype=torch.float32, device=q.device)
    each = chunks_per_program(rows * heads, chunks)
    attend_chunks[(rows * heads, triton.cdiv(chunks, each))](
        *(q, k, v, cache[0], cache[1], starts, slots, sums, maxima, weights),
        *(q.stride(0), cache.stride(1), cache.stride(2), 1.0 / math.sqrt(width), each),
        *(positions, heads, width, CHUNK, chunks, _BLOCK, dependent_launch),
        num_warps=_WARPS,
        **({"launch_pdl": True} if dependent_launch else {}),
    )
    return ChunkSums(sums, maxima, weights)


def chunks_per_program(row_heads: int, chunks: int) -> int:
    """How many chunks one program computes: enough programs for the GPU, but no more."""
    each = 1
    while each < chunks and row_heads * chunks // each > _BUSY:
        each *= 2
    return each
