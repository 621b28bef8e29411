"""torch's fused attention over slots."""

from functools import partial

import torch
from torch import Tensor
from torch.nn import functional

from barkserve.models.attention.slots import (
    AttendLayer,
    PromptRows,
    read_slots,
    store_prompt,
    store_step,
)


class SdpaAttention:
    """torch's scaled_dot_product_attention over views of the cache.

    Slots are the batch: a decode of B rows reads all positions of slots 0 to B - 1 and masks those
    that a slot does not hold.
    """

    ordered = True

    def decode(self, slots: Tensor, lengths: Tensor, cache: Tensor) -> AttendLayer:
        """Prepare a step, see SlotAttention."""
        mask = torch.arange(cache.shape[4], device=cache.device) <= lengths[:, None]
        return partial(self._decode, slots, lengths, mask[:, None, None])

    def prefill(self, rows: PromptRows, cache: Tensor) -> AttendLayer:
        """Prepare a pass over prompts, see SlotAttention."""
        return partial(sdpa_prefill, rows)

    def _decode(
        self,
        slots: Tensor,
        lengths: Tensor,
        mask: Tensor,
        layer_cache: Tensor,
        q: Tensor,
        k: Tensor,
        v: Tensor,
    ) -> Tensor:
        store_step(layer_cache, k, v, slots, lengths)
        keys, values = layer_cache[:, : len(q)]
        return functional.scaled_dot_product_attention(q, keys, values, attn_mask=mask)


def sdpa_prefill(rows: PromptRows, layer_cache: Tensor, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Append to the rows' slots, and attend over them."""
    store_prompt(layer_cache, k, v, rows)
    if rows.fresh:  # the new positions are all there is
        return functional.scaled_dot_product_attention(q, k, v, is_causal=True)
    keys, values = read_slots(layer_cache, rows.slots, rows.longest)
    mask = rows.mask(q.shape[2])
    return functional.scaled_dot_product_attention(q, keys, values, attn_mask=mask)
