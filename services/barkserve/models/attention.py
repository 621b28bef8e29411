"""Attention over whole windows and over slots of a key/value cache, in three interchangeable ways.

`eager` writes the formula out and is the reference; `sdpa` is torch's fused kernel; `flash` is
flash-attn on CUDA in float16 or bfloat16. Knows no weights and no tokens.
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
    """Which slots a batch reads and writes, and where.

    Attributes:
        slots: (B,) int64, one slot a row, no slot twice.
        starts: (B,) int64, positions already held by each slot.
        longest: the largest of starts + T, known on the host so that no step has to ask the device.
        contiguous: slots are first, first + 1, ...: the cache can be viewed, not gathered.
        first: the lowest slot, meaningful when contiguous.
        captured: slots and starts will change in place while all else stays, so that nothing may be
            taken from the host but shapes.
        bags: the same for a decode of several rows on a CPU in float32, else None.
    """

    slots: Tensor
    starts: Tensor
    longest: int
    contiguous: bool
    first: int
    captured: bool = False
    bags: Bags | None = None

    @classmethod
    def anywhere(cls, slots: Tensor, starts: Tensor, positions: int) -> "CacheRows":
        """Rows for a captured graph: any slots, any starts, of a cache of so many positions."""
        return cls(slots, starts, positions, contiguous=False, first=0, captured=True)

    @property
    def single(self) -> bool:
        """One row whose place the host knows: slices do, no index arithmetic."""
        return len(self.slots) == 1 and not self.captured

    @classmethod
    def of(cls, slots: list[int], starts: list[int], length: int, cache: Tensor) -> "CacheRows":
        """Rows that each append `length` positions behind `starts`, to a cache from
        CausalModel.new_cache.
        """
        ordered = all(slot == slots[0] + row for row, slot in enumerate(slots))
        taken, device = torch.tensor(slots, device=cache.device), cache.device
        decode = length == 1 and len(slots) > 1
        bags = None
        if decode and device.type == "cpu" and cache.dtype is torch.float32:
            bags = Bags.of(taken, [start + 1 for start in starts], cache.shape[3], cache.shape[4])
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
    """Appends k and v to the rows' slots, then lets q attend to everything up to its own
    position.
    """

    def __call__(self, q: Tensor, k: Tensor, v: Tensor, cache: Tensor, rows: CacheRows) -> Tensor:
        """q, k, v: (B, H, T, D); cache: (2, slots, H, P, D), written in place. Returns (B, H, T,
        D).
        """


class FullAttention(Protocol):
    """Every position attends to every position."""

    def __call__(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """q, k, v: (B, H, T, D). Returns (B, H, T, D)."""


def _store(k: Tensor, v: Tensor, cache: Tensor, rows: CacheRows) -> None:
    """Write k and v behind each row's start."""
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


def _held(cache: Tensor, rows: CacheRows) -> tuple[Tensor, Tensor]:
    """The rows' keys and values, (B, H, longest, D)."""
    if rows.contiguous:
        held = cache[:, rows.first : rows.first + len(rows.slots), :, : rows.longest]
    else:
        held = cache[:, :, :, : rows.longest].index_select(1, rows.slots)
    return held[0], held[1]


def eager_full(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """softmax(q k^T / sqrt(D)) v, "Attention Is All You Need", equation 1; transformers
    BarkSelfAttention._attn.
    """
    weights = torch.matmul(q, k.transpose(-1, -2)) * (1.0 / math.sqrt(q.shape[-1]))
    return torch.matmul(functional.softmax(weights, dim=-1).to(v.dtype), v)


def eager_cached(q: Tensor, k: Tensor, v: Tensor, cache: Tensor, rows: CacheRows) -> Tensor:
    """The same formula, masked causally, over the rows' slots."""
    _store(k, v, cache, rows)
    keys, values = _held(cache, rows)
    weights = torch.matmul(q, keys.transpose(-1, -2)) * (1.0 / math.sqrt(q.shape[-1]))
    weights = weights.masked_fill(~rows.mask(q.shape[2]), torch.finfo(weights.dtype).min)
    return torch.matmul(functional.softmax(weights, dim=-1).to(values.dtype), values)


def sdpa_full(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Torch's scaled_dot_product_attention."""
    return functional.scaled_dot_product_attention(q, k, v)


def sdpa_cached(q: Tensor, k: Tensor, v: Tensor, cache: Tensor, rows: CacheRows) -> Tensor:
    """Torch's scaled_dot_product_attention over the rows' slots; several rows' decodes on a CPU by
    bags.
    """
    _store(k, v, cache, rows)
    if rows.bags is not None:
        return rows.bags.attend(q, cache[0], cache[1])
    keys, values = _held(cache, rows)
    length = q.shape[2]
    if rows.single and length in (1, rows.longest):  # nothing to mask, or plainly triangular
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
        cache[0].transpose(1, 2),  # (slots, P, H, D): strides are free, only D must be dense
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
    """The bidirectional attention of that name. Raises StartupError where it cannot run."""
    if backend == "flash":
        _check_flash(device, dtype)
        return _flash_full
    return {"sdpa": sdpa_full, "eager": eager_full}[backend]


def cached_attention(backend: Backend, device: torch.device, dtype: torch.dtype) -> CachedAttention:
    """The causal attention of that name. Raises StartupError where it cannot run."""
    if backend == "flash":
        _check_flash(device, dtype)
        return _flash_cached
    return {"sdpa": sdpa_cached, "eager": eager_cached}[backend]
