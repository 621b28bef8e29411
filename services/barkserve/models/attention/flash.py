"""flash-attn over slots: on CUDA, in float16 or bfloat16."""

from functools import partial

from torch import Tensor

from barkserve.models.attention.slots import AttendLayer, PromptRows, store_prompt


class FlashAttention:
    """flash-attn's kernels, which read each slot up to its length."""

    ordered = False

    def decode(self, slots: Tensor, lengths: Tensor, cache: Tensor) -> AttendLayer:
        """Prepare a step, see SlotAttention."""
        return partial(self._attend, slots.int(), lengths.int())

    def prefill(self, rows: PromptRows, cache: Tensor) -> AttendLayer:
        """Prepare a pass over prompts, see SlotAttention."""
        return partial(self._prefill, rows, rows.slots.int())

    def _prefill(
        self,
        rows: PromptRows,
        slots: Tensor,
        layer_cache: Tensor,
        q: Tensor,
        k: Tensor,
        v: Tensor,
    ) -> Tensor:
        store_prompt(layer_cache, k, v, rows)
        held = (rows.starts + q.shape[2]).int()
        return self._attend(slots, held, layer_cache, q)

    def _attend(
        self,
        slots: Tensor,
        held: Tensor,
        layer_cache: Tensor,
        q: Tensor,
        k: Tensor | None = None,
        v: Tensor | None = None,
    ) -> Tensor:
        from flash_attn import flash_attn_with_kvcache

        out: Tensor = flash_attn_with_kvcache(
            q.transpose(1, 2),
            layer_cache[0].transpose(1, 2),  # (slots, P, H, D): only D must be dense
            layer_cache[1].transpose(1, 2),
            k=None if k is None else k.transpose(1, 2),
            v=None if v is None else v.transpose(1, 2),
            cache_seqlens=held,
            cache_batch_idx=slots,
            causal=True,
        )
        return out.transpose(1, 2)
