"""Records the attention of chosen heads while tokens are generated.

Computes the attention weights a second time from the same queries and cached keys. It changes no
token and works with every attention backend.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from barkserve.engine.batch import Prefill
from barkserve.engine.request import Request, Watch

Array = NDArray[np.float32]

Queries = Mapping[int, Tensor]
"""Layer number to queries, (B, H, T, D), of one step or of a portion of some prompts."""


@dataclass(frozen=True)
class BatchWatch:
    """The attention that a batch records: the union of its requests' watches.

    Attributes:
        heads: (layer, head) pairs.
        width: number of positions, from the start of the prompt.
    """

    heads: tuple[tuple[int, int], ...]
    width: int

    @classmethod
    def for_requests(cls, requests: Iterable[Request]) -> "BatchWatch | None":
        """Return the union of some requests' watches; None if there are none."""
        watches = [request.watch for request in requests if request.watch is not None]
        if not watches:
            return None
        heads = sorted({head for watch in watches for head in watch.heads})
        return cls(tuple(heads), max(watch.width for watch in watches))

    def select(self, rows: Array, watch: Watch) -> Array:
        """Return what a request watches, (heads, t, width), of its rows, (t, heads, width)."""
        heads = [self.heads.index(head) for head in watch.heads]
        return np.ascontiguousarray(rows[:, heads, : watch.width].swapaxes(0, 1))


def step_attention(
    queries: Sequence[Tensor], keys: Sequence[Tensor], lengths: Tensor, width: int
) -> Tensor:
    """Compute the attention of one position per row, without reading it on the host.

    Args:
        queries: of each watched head, (B, D).
        keys: of each watched head, (B, P, D).
        lengths: (B,) int64, the position of each row's query.
        width: number of keys to return.

    Returns:
        (B, heads, width) float32.
    """
    q, k = torch.stack(list(queries), dim=1).float(), torch.stack(list(keys), dim=1).float()
    scores = (k @ q[:, :, :, None])[:, :, :, 0] / math.sqrt(q.shape[-1])  # (B, heads, P)
    future = torch.arange(k.shape[2], device=k.device) > lengths[:, None]
    weights = functional.softmax(scores.masked_fill(future[:, None], -torch.inf), dim=-1)
    short = max(0, width - weights.shape[2])  # the slot holds fewer positions
    return functional.pad(weights[:, :, :width], (0, short))


def record_prompts(batch: Prefill, queries: Queries, cache: Tensor) -> None:
    """Append the attention of a portion of some prompts to every watched request's `attention`.

    Args:
        batch: the portions that were just computed.
        queries: the queries of all layers.
        cache: (layers, 2, slots, H, P, D), with the keys of the portions written.
    """
    for row, (request, slot) in enumerate(zip(batch.requests, batch.slots, strict=True)):
        watch, start, length = request.watch, batch.starts[row], batch.lengths[row]
        if watch is None or start + length <= watch.first:
            continue
        of_heads = [
            _weights(queries[layer][row, head, :length], cache[layer, 0, slot, head], start, watch)
            for layer, head in watch.heads
        ]
        request.attention.append(torch.stack(of_heads).cpu().numpy())


def _weights(queries: Tensor, keys: Tensor, start: int, watch: Watch) -> Tensor:
    """Compute one head's attention weights.

    Args:
        queries: (T, D), at positions start, start + 1, ...
        keys: (P, D), of the whole slot.
        start: the first query's position.
        watch: selects queries and keys.

    Returns:
        (t, width) float32: the watched queries over the watched keys.
    """
    skipped = max(0, watch.first - start)
    selected, end = queries[skipped:].float(), start + len(queries)
    scores = selected @ keys[:end].float().T / math.sqrt(queries.shape[1])
    if len(selected) > 1:
        future = torch.ones_like(scores, dtype=torch.bool).triu(start + skipped + 1)
        scores = scores.masked_fill(future, -torch.inf)
    return functional.softmax(scores, dim=-1)[:, : watch.width]
