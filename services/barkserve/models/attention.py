"""Attention over whole windows and over slots of a key/value cache, with three backends.

`eager` is the plain formula and the reference. `sdpa` is torch's fused kernel. `flash` is
flash-attn, on CUDA in float16 or bfloat16.
"""

import math
from dataclasses import dataclass
from typing import Literal, Protocol

import torch
from torch import Tensor
from torch.nn import functional

from barkserve.errors import StartupError
from barkserve.models.ragged import Bags

Backend = Literal["flash", "sdpa", "eager"]


@dataclass(frozen=True)
class CacheRows:
    """The slots that a batch reads and writes, and the positions in them.

    Attributes:
        slots: (B,) int64, one slot per row, each at most once.
        starts: (B,) int64, positions that each slot already holds.
        longest: the maximum of starts + T, on the host: reading it needs no synchronization.
        contiguous: slots are first, first + 1, ...: the cache can be sliced instead of gathered.
        first: the lowest slot; valid if contiguous.
        captured: for a captured graph, where slots and starts change in place. Only shapes may be
            read on the host.
        bags: the same rows for Bags.attend; set for a float32 decode of several rows on a CPU.
    """

    slots: Tensor
    starts: Tensor
    longest: int
    contiguous: bool
    first: int
    captured: bool = False
    bags: Bags | None = None

    @classmethod
    def for_capture(cls, slots: Tensor, starts: Tensor, positions: int) -> "CacheRows":
        """Make rows for a captured graph over a cache with this many positions."""
        return cls(slots, starts, positions, contiguous=False, first=0, captured=True)

    @property
    def single(self) -> bool:
        """Whether there is one row and the host knows its slot: slices replace indexing."""
        return len(self.slots) == 1 and not self.captured

    @classmethod
    def for_append(
        cls, slots: list[int], starts: list[int], length: int, cache: Tensor
    ) -> "CacheRows":
        """Make rows that each append `length` positions after `starts`.

        Args:
            slots: one per row.
            starts: positions that each slot already holds.
            length: positions that each row appends.
            cache: one from CausalModel.new_cache.
        """
        ordered = all(slot == slots[0] + row for row, slot in enumerate(slots))
        taken, device = torch.tensor(slots, device=cache.device), cache.device
        decode = length == 1 and len(slots) > 1
        bags = None
        if decode and device.type == "cpu" and cache.dtype is torch.float32:
            bags = Bags.for_slots(
                taken, [start + 1 for start in starts], cache.shape[3], cache.shape[4]
            )
        return cls(
            slots=taken,
            starts=torch.tensor(starts, device=device),
            longest=max(starts) + length,
            contiguous=ordered,
            first=slots[0],
            bags=bags,
        )

    def mask(self, length: int) -> Tensor:
        """(B, 1, T, longest) bool: key j is visible to query t when j <= start + t."""
        keys = torch.arange(self.longest, device=self.slots.device)
        queries = self.starts[:, None] + torch.arange(length, device=self.slots.device)
        return (keys <= queries[:, :, None])[:, None]


class CachedAttention(Protocol):
    """Causal attention: appends k and v to the rows' slots, then attends over the slots."""

    def __call__(self, q: Tensor, k: Tensor, v: Tensor, cache: Tensor, rows: CacheRows) -> Tensor:
        """Attend.

        Args:
            q: (B, H, T, D).
            k: (B, H, T, D).
            v: (B, H, T, D).
            cache: (2, slots, H, P, D) of one layer, written in place.
            rows: the slots.

        Returns:
            (B, H, T, D).
        """


class FullAttention(Protocol):
    """Bidirectional attention."""

    def __call__(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """Attend. q, k, v: (B, H, T, D). Returns (B, H, T, D)."""


def _store(k: Tensor, v: Tensor, cache: Tensor, rows: CacheRows) -> None:
    """Write k and v to each row's slot from its start on."""
    length = k.shape[2]
    if rows.single:
        end = rows.longest
        cache[0, rows.first, :, end - length : end] = k[0]
        cache[1, rows.first, :, end - length : end] = v[0]
    else:
        positions = rows.starts[:, None] + torch.arange(length, device=k.device)  # (B, T)
        index = (rows.slots[:, None], slice(None), positions)
        cache[0][index] = k.transpose(1, 2)
        cache[1][index] = v.transpose(1, 2)


def _read(cache: Tensor, rows: CacheRows) -> tuple[Tensor, Tensor]:
    """Return the rows' keys and values, each (B, H, longest, D)."""
    if rows.contiguous:
        rows_cache = cache[:, rows.first : rows.first + len(rows.slots), :, : rows.longest]
    else:
        rows_cache = cache[:, :, :, : rows.longest].index_select(1, rows.slots)
    return rows_cache[0], rows_cache[1]


def eager_full(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Compute softmax(q k^T / sqrt(D)) v ("Attention Is All You Need", equation 1).

    Source: transformers BarkSelfAttention._attn.
    """
    weights = torch.matmul(q, k.transpose(-1, -2)) * (1.0 / math.sqrt(q.shape[-1]))
    return torch.matmul(functional.softmax(weights, dim=-1).to(v.dtype), v)


def eager_cached(q: Tensor, k: Tensor, v: Tensor, cache: Tensor, rows: CacheRows) -> Tensor:
    """Compute the same formula with a causal mask over the rows' slots."""
    _store(k, v, cache, rows)
    keys, values = _read(cache, rows)
    weights = torch.matmul(q, keys.transpose(-1, -2)) * (1.0 / math.sqrt(q.shape[-1]))
    weights = weights.masked_fill(~rows.mask(q.shape[2]), torch.finfo(weights.dtype).min)
    return torch.matmul(functional.softmax(weights, dim=-1).to(values.dtype), values)


def sdpa_full(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Call torch's scaled_dot_product_attention."""
    return functional.scaled_dot_product_attention(q, k, v)


def sdpa_cached(q: Tensor, k: Tensor, v: Tensor, cache: Tensor, rows: CacheRows) -> Tensor:
    """Call torch's scaled_dot_product_attention over the rows' slots, or Bags.attend."""
    _store(k, v, cache, rows)
    if rows.bags is not None:
        return rows.bags.attend(q, cache[0], cache[1])
    keys, values = _read(cache, rows)
    length = q.shape[2]
    if rows.single and length in (1, rows.longest):  # no mask, or a triangular one
        return functional.scaled_dot_product_attention(q, keys, values, is_causal=length > 1)
    return functional.scaled_dot_product_attention(q, keys, values, attn_mask=rows.mask(length))


def _flash_full(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    from flash_attn import flash_attn_func

    out: Tensor = flash_attn_func(q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2))
    return out.transpose(1, 2)


def _flash_cached(q: Tensor, k: Tensor, v: Tensor, cache: Tensor, rows: CacheRows) -> Tensor:
    from flash_attn import flash_attn_with_kvcache

    out: Tensor = flash_attn_with_kvcache(
        q.transpose(1, 2),
        cache[0].transpose(1, 2),  # (slots, P, H, D): only D must be dense
        cache[1].transpose(1, 2),
        k=k.transpose(1, 2),
        v=v.transpose(1, 2),
        cache_seqlens=rows.starts.int(),
        cache_batch_idx=rows.slots.int(),
        causal=True,
    )
    return out.transpose(1, 2)


def _check_flash(device: torch.device, dtype: torch.dtype) -> None:
    if device.type != "cuda" or dtype not in (torch.float16, torch.bfloat16):
        raise StartupError(
            "--attention flash needs --device cuda and --dtype float16 or bfloat16; "
            "use --attention sdpa"
        )
    try:
        import flash_attn  # noqa: F401
    except ImportError as error:
        raise StartupError(
            "--attention flash needs flash-attn: pip install 'barkserve[flash]', "
            "or use --attention sdpa"
        ) from error


def full_attention(backend: Backend, device: torch.device, dtype: torch.dtype) -> FullAttention:
    """Return the bidirectional attention of a backend.

    Raises:
        StartupError: the backend does not run on this device or dtype.
    """
    if backend == "flash":
        _check_flash(device, dtype)
        return _flash_full
    return {"sdpa": sdpa_full, "eager": eager_full}[backend]


def cached_attention(backend: Backend, device: torch.device, dtype: torch.dtype) -> CachedAttention:
    """Return the causal attention of a backend.

    Raises:
        StartupError: the backend does not run on this device or dtype.
    """
    if backend == "flash":
        _check_flash(device, dtype)
        return _flash_cached
    return {"sdpa": sdpa_cached, "eager": eager_cached}[backend]
