"""The plain formula of attention over slots, which is the reference."""

import math
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional

from barkserve.models.attention.slots import AttendLayer, PromptRows, read_slots, store_prompt


class EagerAttention:
    """The formula of eager_full with a causal mask over the rows' slots."""

    ordered = False

    def decode(self, slots: Tensor, lengths: Tensor, cache: Tensor) -> AttendLayer:
        """Prepare a step, see SlotAttention."""
        rows = PromptRows(slots, lengths, None, cache.shape[4], fresh=False)
        return self.prefill(rows, cache)

    def prefill(self, rows: PromptRows, cache: Tensor) -> AttendLayer:
        """Prepare a pass over prompts, see SlotAttention."""
        return partial(self._attend, rows)

    def _attend(
        self, rows: PromptRows, layer_cache: Tensor, q: Tensor, k: Tensor, v: Tensor
    ) -> Tensor:
        store_prompt(layer_cache, k, v, rows)
        keys, values = read_slots(layer_cache, rows.slots, rows.longest)
        weights = torch.matmul(q, keys.transpose(-1, -2)) * (1.0 / math.sqrt(q.shape[-1]))
        visible = rows.mask(q.shape[2])
        weights = weights.masked_fill(~visible, torch.finfo(weights.dtype).min)
        return torch.matmul(functional.softmax(weights, dim=-1).to(values.dtype), values)
