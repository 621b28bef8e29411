"""Decode attention of many rows with different lengths on a CPU.

Uses two kernels of torch's embedding_bag, which read table rows at memory bandwidth. One computes
the product of a query with each key of its bag, the other the weighted sum of the bag's values. A
bag is one head of one row. Torch's fused attention needs one length for all rows and reads masked
positions too. It is a quarter slower even when all lengths are equal.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

_SUM = 0  # embedding_bag's mode


@dataclass(frozen=True)
class Bags:
    """The rows of each bag in a layer's keys and values, viewed as (slots * H * P, D).

    Attributes:
        indices: (N,) int64, row numbers, bag after bag.
        bounds: (B * H + 1,) int64, where each bag starts in indices, and the end of the last.
        bag_of: (N,) int64, the bag of each index.
        counts: number of indices of each row, summed over its heads.
    """

    indices: Tensor
    bounds: Tensor
    bag_of: Tensor
    counts: list[int]

    @classmethod
    def for_slots(cls, slots: Tensor, lengths: list[int], heads: int, positions: int) -> "Bags":
        """Make bags over the first positions of some slots.

        Args:
            slots: (B,) int64.
            lengths: number of positions of each slot.
            heads: heads of the cache.
            positions: positions per slot of the cache.
        """
        each = torch.tensor(lengths).repeat_interleave(heads)  # (B * H,)
        bounds = functional.pad(each.cumsum(0), (1, 0))
        bag_of = torch.arange(len(each)).repeat_interleave(each)
        first = (slots[:, None] * heads + torch.arange(heads)).flatten() * positions
        indices = torch.arange(len(bag_of)) + (first - bounds[:-1])[bag_of]
        return cls(indices, bounds, bag_of, [heads * length for length in lengths])

    def attend(self, q: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        """Compute softmax(q k^T / sqrt(D)) v in float32.

        Args:
            q: (B, H, 1, D).
            keys: (slots, H, P, D), dense.
            values: (slots, H, P, D), dense.

        Returns:
            (B, H, 1, D).
        """
        width = q.shape[-1]
        scaled = q.reshape(-1, width) / math.sqrt(width)
        scores = torch.ops.aten._embedding_bag_per_sample_weights_backward(
            scaled, keys.view(-1, width), self.indices, self.bounds[:-1], self.bag_of, _SUM
        )
        weights = self._softmax(scores, q.shape[1])
        out = functional.embedding_bag(
            self.indices,
            values.view(-1, width),
            self.bounds,
            mode="sum",
            per_sample_weights=weights,
            include_last_offset=True,
        )
        return out.view(q.shape)

    def _softmax(self, scores: Tensor, heads: int) -> Tensor:
        """Normalize over each bag: (N,) to (N,)."""
        if min(self.counts) == max(self.counts):
            return functional.softmax(scores.view(len(self.bounds) - 1, -1), dim=-1).flatten()
        rows = torch.split(scores, self.counts)
        return torch.cat([functional.softmax(row.view(heads, -1), -1).flatten() for row in rows])
