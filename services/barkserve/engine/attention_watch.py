"""Records the attention of chosen heads while tokens are generated.

Computes the attention weights a second time from the same queries and cached keys. It changes no
token and works with every attention backend.
"""

import math
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from barkserve.engine.request import Request, Watch
from barkserve.engine.scheduler import Batch

Queries = Mapping[int, Tensor]
"""Layer number to queries, (B, H, T, D): the queries of one step."""


def record_attention(batch: Batch, queries: Queries, cache: Tensor) -> None:
    """Append the attention of one step to every watched request's `attention`.

    Args:
        batch: the step that was just computed.
        queries: the queries of all layers.
        cache: (layers, 2, slots, H, P, D), with the keys of the step written.
    """
    watched: list[tuple[Request, Tensor]] = []
    for row, (request, slot) in enumerate(zip(batch.requests, batch.slots, strict=True)):
        watch = request.watch
        if watch is None or request.cached + batch.length <= watch.first:
            continue
        of_heads = [
            _weights(queries[layer][row, head], cache[layer, 0, slot, head], request.cached, watch)
            for layer, head in watch.heads
        ]
        watched.append((request, torch.stack(of_heads)))
    on_host = _to_host([weights for _, weights in watched])
    for (request, _), array in zip(watched, on_host, strict=True):
        request.attention.append(array)


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


def _to_host(tensors: Sequence[Tensor]) -> list[NDArray[np.float32]]:
    """Copy several tensors to the host in one transfer."""
    if not tensors:
        return []
    flat = torch.cat([tensor.flatten() for tensor in tensors]).cpu().numpy()
    ends = np.cumsum([tensor.numel() for tensor in tensors])
    parts = np.split(flat, ends[:-1])
    return [part.reshape(tensor.shape) for part, tensor in zip(parts, tensors, strict=True)]
