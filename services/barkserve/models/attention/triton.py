"""This project's Triton kernels over slots, on CUDA."""

from functools import partial

from torch import Tensor

from barkserve.models.attention.sdpa import sdpa_prefill
from barkserve.models.attention.slots import AttendLayer, PromptRows


class TritonAttention:
    """This project's Triton kernels for decodes, which read each slot up to its length.

    The lengths stay on the device. Prompts are attended by sdpa. It needs CUDA, or Triton's
    interpreter.
    """

    ordered = False

    def decode(self, slots: Tensor, lengths: Tensor, cache: Tensor) -> AttendLayer:
        """Prepare a step, see SlotAttention."""
        return partial(self._decode, slots, lengths)

    def prefill(self, rows: PromptRows, cache: Tensor) -> AttendLayer:
        """Prepare a pass over prompts, see SlotAttention."""
        return partial(sdpa_prefill, rows)

    def _decode(
        self,
        slots: Tensor,
        lengths: Tensor,
        layer_cache: Tensor,
        q: Tensor,
        k: Tensor,
        v: Tensor,
    ) -> Tensor:
        from barkserve.kernels.decode_attention import attend_slots

        q, k, v = (each[:, :, 0] for each in (q, k, v))
        return attend_slots(q, k, v, layer_cache, slots, lengths)[:, :, None]
