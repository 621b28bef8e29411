"""Decode attention of many rows on a CPU, each over exactly the positions that it holds.

Two kernels of torch's embedding_bag do the work, because they read rows of a table at the memory's
speed: one gives the product of a query with each key of its bag, the other the weighted sum of the
bag's values. A bag is one head of one row. torch's fused attention takes one length for all rows,
reads what the mask then hides, and is a quarter slower even where all lengths are equal. Knows no
weights and no tokens.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

_SUM = 0  # embedding_bag's mode


@dataclass(frozen=True)
class Bags:
    """Where in a layer's keys and values, seen as (slots * H * P, D), each bag lies.

    Attributes:
        places: (N,) int64, bag after bag.
        bounds: (B * H + 1,) int64, where in places each bag begins, and the end of the last.
        bag_of: (N,) int64, the bag of each place.
        counts: places of each row, all its heads together.
    """

    places: Tensor
    bounds: Tensor
    bag_of: Tensor
    counts: list[int]

    @classmethod
    def of(cls, slots: Tensor, lengths: list[int], heads: int, positions: int) -> "Bags":
        """Bags over the first `lengths` positions of these slots of a cache that has so many heads
        and positions.
        """
        each = torch.tensor(lengths).repeat_interleave(heads)  # (B * H,)
        bounds = functional.pad(each.cumsum(0), (1, 0))
        bag_of = torch.arange(len(each)).repeat_interleave(each)
        first = (slots[:, None] * heads + torch.arange(heads)).flatten() * positions
        places = torch.arange(len(bag_of)) + (first - bounds[:-1])[bag_of]
        return cls(places, bounds, bag_of, [heads * length for length in lengths])

    def attend(self, q: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        """softmax(q k^T / sqrt(D)) v in float32.

        Args:
            q: (B, H, 1, D).
            keys, values: (slots, H, P, D), dense.

        Returns:
            (B, H, 1, D).
        """
        width = q.shape[-1]
        asked = q.reshape(-1, width) / math.sqrt(width)
        scores = torch.ops.aten._embedding_bag_per_sample_weights_backward(
            asked, keys.view(-1, width), self.places, self.bounds[:-1], self.bag_of, _SUM
        )
        weights = self._softmax(scores, q.shape[1])
        out = functional.embedding_bag(
            self.places,
            values.view(-1, width),
            self.bounds,
            mode="sum",
            per_sample_weights=weights,
            include_last_offset=True,
        )
        return out.view(q.shape)

    def _softmax(self, scores: Tensor, heads: int) -> Tensor:
        """Over each bag: (N,) to (N,)."""
        if min(self.counts) == max(self.counts):
            return functional.softmax(scores.view(len(self.bounds) - 1, -1), dim=-1).flatten()
        rows = torch.split(scores, self.counts)
        return torch.cat([functional.softmax(row.view(heads, -1), -1).flatten() for row in rows])
