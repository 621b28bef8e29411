"""Attention over whole windows and over slots of a key/value cache, with four backends.

`eager` is the plain formula and the reference. `sdpa` is torch's fused kernel. `flash` is
flash-attn, on CUDA in float16 or bfloat16. `triton` is this project's kernel for decodes, on CUDA.

The last slot of every cache is the spare slot. Rows that have ended and positions that only pad a
prompt are written there. It is never read for a result.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from typing import Literal, Protocol, cast

import torch
from torch import Tensor
from torch.nn import functional

from barkserve.errors import StartupError
from barkserve.kernels.toolchain import triton_problem
from barkserve.models.device import DeviceCapabilities
from barkserve.models.ragged import Bags
from barkserve.options import AUTO

Backend = Literal["flash", "triton", "sdpa", "eager"]

AttendLayer = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]
"""(layer_cache, q, k, v) -> out: appends k and v to the rows' slots and attends over the slots.

layer_cache: (2, slots, H, P, D), keys and values of one layer, written in place. q, k, v and the
result: (B, H, T, D).
"""

_FLASH_DTYPES = (torch.float16, torch.bfloat16)


@dataclass(frozen=True)
class PromptRows:
    """The slots that a part of some prompts is appended to.

    Attributes:
        slots: (B,) int64, one slot per row, each at most once.
        starts: (B,) int64, positions that each slot already holds.
        lengths: (B,) int64, positions that each row appends; the others of a row are padding.
            None: no padding.
        longest: upper bound of starts + T, at most P.
        fresh: all starts are 0.
    """

    slots: Tensor
    starts: Tensor
    lengths: Tensor | None
    longest: int
    fresh: bool

    def positions(self, count: int) -> Tensor:
        """(B, T) int64: the position of each of T = count columns."""
        return self.starts[:, None] + torch.arange(count, device=self.starts.device)

    def mask(self, count: int) -> Tensor:
        """(B, 1, T, longest) bool: key j is visible to query t when j <= start + t."""
        keys = torch.arange(self.longest, device=self.slots.device)
        return (keys <= self.positions(count)[:, :, None])[:, None]


class SlotAttention(Protocol):
    """Causal attention over the slots of a cache, (layers, 2, slots, H, P, D).

    Each method prepares what all layers share and returns what each layer calls.

    Attributes:
        ordered: decode() requires slots 0, 1, 2, ... in this order, so that it reads a view of the
            cache. Entries of rows that have ended may name the spare slot.
    """

    ordered: bool

    def decode(self, slots: Tensor, lengths: Tensor, cache: Tensor) -> AttendLayer:
        """Prepare a step in which each row appends one position (T = 1).

        On CUDA it runs inside captured graphs: it must not read tensors on the host.

        Args:
            slots: (B,) int64. Only the spare slot can occur more than once.
            lengths: (B,) int64, positions that each slot already holds, below P.
            cache: all layers.
        """

    def prefill(self, rows: PromptRows, cache: Tensor) -> AttendLayer:
        """Prepare a pass in which each row appends T positions of its prompt.

        Args:
            rows: the slots and the positions in them.
            cache: all layers.
        """


class FullAttention(Protocol):
    """Bidirectional attention."""

    def __call__(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """Attend. q, k, v: (B, H, T, D). Returns (B, H, T, D)."""


def store_step(layer_cache: Tensor, k: Tensor, v: Tensor, slots: Tensor, lengths: Tensor) -> None:
    """Write one position per row, k and v (B, H, 1, D), at `lengths` of its slot."""
    layer_cache[0][slots, :, lengths] = k[:, :, 0]
    layer_cache[1][slots, :, lengths] = v[:, :, 0]


def store_prompt(layer_cache: Tensor, k: Tensor, v: Tensor, rows: PromptRows) -> None:
    """Write k and v, (B, H, T, D), to each row's slot from its start on."""
    count = k.shape[2]
    slots, positions = rows.slots[:, None], rows.positions(count)  # (B, T)
    if rows.lengths is not None:
        real = torch.arange(count, device=k.device) < rows.lengths[:, None]
        slots = torch.where(real, slots, layer_cache.shape[1] - 1)
        positions = positions.clamp(max=layer_cache.shape[3] - 1)
    layer_cache[0][slots, :, positions] = k.transpose(1, 2)
    layer_cache[1][slots, :, positions] = v.transpose(1, 2)


def _read(layer_cache: Tensor, slots: Tensor, longest: int) -> tuple[Tensor, Tensor]:
    """Copy the first positions of some slots: keys and values, each (B, H, longest, D)."""
    held = layer_cache[:, :, :, :longest].index_select(1, slots)
    return held[0], held[1]


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


def _flash_full(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    from flash_attn import flash_attn_func

    out: Tensor = flash_attn_func(q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2))
    return out.transpose(1, 2)


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
        keys, values = _read(layer_cache, rows.slots, rows.longest)
        weights = torch.matmul(q, keys.transpose(-1, -2)) * (1.0 / math.sqrt(q.shape[-1]))
        visible = rows.mask(q.shape[2])
        weights = weights.masked_fill(~visible, torch.finfo(weights.dtype).min)
        return torch.matmul(functional.softmax(weights, dim=-1).to(values.dtype), values)


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
        return partial(_sdpa_prefill, rows)

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


def _sdpa_prefill(rows: PromptRows, layer_cache: Tensor, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    store_prompt(layer_cache, k, v, rows)
    if rows.fresh:  # the new positions are all there is
        return functional.scaled_dot_product_attention(q, k, v, is_causal=True)
    keys, values = _read(layer_cache, rows.slots, rows.longest)
    mask = rows.mask(q.shape[2])
    return functional.scaled_dot_product_attention(q, keys, values, attn_mask=mask)


class HostAttention:
    """torch's kernels on a CPU, where the lengths can be read and only those positions are.

    One row is attended by scaled_dot_product_attention over a view, several by Bags. Prompts must
    not be padded.
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
            keys, values = _read(layer_cache, rows.slots, rows.longest)
        mask = rows.mask(count)
        return functional.scaled_dot_product_attention(q, keys, values, attn_mask=mask)

    def _decode_one(
        self, slot: int, held: int, layer_cache: Tensor, q: Tensor, k: Tensor, v: Tensor
    ) -> Tensor:
        keys, values = layer_cache[:, slot : slot + 1, :, : held + 1]
        keys[:, :, held] = k[:, :, 0]
        values[:, :, held] = v[:, :, 0]
        return functional.scaled_dot_product_attention(q, keys, values)

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
        return partial(_sdpa_prefill, rows)

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


def choose_backend(attention: str, capabilities: DeviceCapabilities, dtype: torch.dtype) -> Backend:
    """Turn a value of --attention into a backend: auto becomes the fastest one that runs."""
    if attention != AUTO:
        return cast(Backend, attention)
    if capabilities.runs_flash and dtype in _FLASH_DTYPES and find_spec("flash_attn"):
        return "flash"
    return "triton" if capabilities.runs_triton and triton_problem() is None else "sdpa"


def _check_flash(device: torch.device, dtype: torch.dtype) -> None:
    if not DeviceCapabilities.of(device).runs_flash or dtype not in _FLASH_DTYPES:
        raise StartupError(
            "--attention flash needs --device cuda, a GPU from Ampere on, and --dtype float16 or "
            "bfloat16; use --attention sdpa"
        )
    try:
        import flash_attn  # noqa: F401
    except ImportError as error:
        raise StartupError(
            "--attention flash needs flash-attn: pip install 'barkserve[flash]', "
            "or use --attention sdpa"
        ) from error


def _check_triton(device: torch.device) -> None:
    if not DeviceCapabilities.of(device).runs_triton:
        raise StartupError(
            "--attention triton needs --device cuda and an NVIDIA GPU from Ampere on; use "
            "--attention sdpa"
        )
    if problem := triton_problem():
        raise StartupError(f"--attention triton: {problem}, or use --attention sdpa")


def full_attention(backend: Backend, device: torch.device, dtype: torch.dtype) -> FullAttention:
    """Return the bidirectional attention of a backend.

    Raises:
        StartupError: the backend does not run on this device or dtype.
    """
    if backend == "flash":
        _check_flash(device, dtype)
        return _flash_full
    return eager_full if backend == "eager" else sdpa_full


def slot_attention(backend: Backend, device: torch.device, dtype: torch.dtype) -> SlotAttention:
    """Return the causal attention of a backend.

    Raises:
        StartupError: the backend does not run on this device or dtype.
    """
    if backend == "flash":
        _check_flash(device, dtype)
        return FlashAttention()
    if backend == "triton":
        _check_triton(device)
        return TritonAttention()
    if backend == "eager":
        return EagerAttention()
    return HostAttention() if device.type == "cpu" else SdpaAttention()
