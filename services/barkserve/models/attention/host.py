"""torch's attention over slots on a CPU."""

import math
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional

from barkserve.models.attention.slots import AttendLayer, PromptRows, read_slots, store_step
from barkserve.models.ragged import Bags


def attend_one(q: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    """Compute softmax(q k^T / sqrt(D)) v for a single row, in three calls.

    Args:
        q: (1, H, 1, D).
        keys: (1, H, T, D).
        values: (1, H, T, D).

    Returns:
        (1, H, 1, D).
    """
    scale = 1.0 / math.sqrt(q.shape[-1])
    unused = q.new_empty(())  # of the sum that baddbmm could add to
    weights = torch.baddbmm(unused, q[0], keys[0].transpose(1, 2), beta=0, alpha=scale)
    return torch.bmm(torch.softmax(weights, dim=-1), values[0])[None]


class HostAttention:
    """torch's kernels on a CPU, where the lengths can be read and only those positions are.

    One row is attended by matrix products over a view, several by Bags. On a CPU without AVX-512,
    scaled_dot_product_attention divides the positions of a single query among the threads, so its
    last bits depend on their number. Prompts must not be padded.
    """

    ordered = False

    def decode(self, slots: Tensor, lengths: Tensor, cache: Tensor) -> AttendLayer:
        """Prepare a step, see SlotAttention."""
        held: list[int] = lengths.tolist()
        if len(held) == 1:
            return partial(self._decode_one, int(slots[0]), held[0])
        if cache.dtype is not torch.float32:
            rows = PromptRows(slots, lengths, None, max(held) + 1, fresh=False)
            return self.prefill(rows, cache)
        bags = Bags.for_slots(slots, [each + 1 for each in held], cache.shape[3], cache.shape[4])
        return partial(self._decode_bags, slots, lengths, bags)

    def prefill(self, rows: PromptRows, cache: Tensor) -> AttendLayer:
        """Prepare a pass over prompts, see SlotAttention."""
        return partial(self._prefill, rows, rows.slots.tolist(), rows.starts.tolist())

    def _prefill(
        self,
        rows: PromptRows,
        slots: list[int],
        starts: list[int],
        layer_cache: Tensor,
        q: Tensor,
        k: Tensor,
        v: Tensor,
    ) -> Tensor:
        count = q.shape[2]
        for row, (slot, start) in enumerate(zip(slots, starts, strict=True)):  # faster than indices
            layer_cache[0, slot, :, start : start + count] = k[row]
            layer_cache[1, slot, :, start : start + count] = v[row]
        if rows.fresh:
            return functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        if len(slots) == 1:
            keys, values = layer_cache[:, slots[0] : slots[0] + 1, :, : rows.longest]
        else:
            keys, values = read_slots(layer_cache, rows.slots, rows.longest)
        mask = rows.mask(count)
        return functional.scaled_dot_product_attention(q, keys, values, attn_mask=mask)

    def _decode_one(
        self, slot: int, held: int, layer_cache: Tensor, q: Tensor, k: Tensor, v: Tensor
    ) -> Tensor:
        keys, values = layer_cache[:, slot : slot + 1, :, : held + 1]
        keys[:, :, held] = k[:, :, 0]
        values[:, :, held] = v[:, :, 0]
        return attend_one(q, keys, values)

    def _decode_bags(
        self,
        slots: Tensor,
        lengths: Tensor,
        bags: Bags,
        layer_cache: Tensor,
        q: Tensor,
        k: Tensor,
        v: Tensor,
    ) -> Tensor:
        store_step(layer_cache, k, v, slots, lengths)
        return bags.attend(q, layer_cache[0], layer_cache[1])
