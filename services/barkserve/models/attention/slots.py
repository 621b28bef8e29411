"""Causal attention over the slots of a key/value cache: its interface and its writes.

The last slot of every cache is the spare slot. Rows that have ended and positions that only pad a
prompt are written there. It is never read for a result.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

AttendLayer = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]
"""(layer_cache, q, k, v) -> out: appends k and v to the rows' slots and attends over the slots.

layer_cache: (2, slots, H, P, D), keys and values of one layer, written in place. q, k, v and the
result: (B, H, T, D).
"""


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


def read_slots(layer_cache: Tensor, slots: Tensor, longest: int) -> tuple[Tensor, Tensor]:
    """Copy the first positions of some slots: keys and values, each (B, H, longest, D)."""
    held = layer_cache[:, :, :, :longest].index_select(1, slots)
    return held[0], held[1]
