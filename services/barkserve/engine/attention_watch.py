"""Notes where a model looks: the attention of chosen heads over a sequence's first positions.

Works beside the attention that the model computes with, from the same queries and cached keys, so
it changes no token and works with every backend. Knows no meaning of positions.
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
"""Layer -> (B, H, T, D): what the positions of a step asked."""


def note(batch: Batch, queries: Queries, cache: Tensor) -> None:
    """Append to every watched sequence's `seen` what its step's positions looked at.

    Args:
        batch: the step that was just computed.
        queries: of all layers.
        cache: (layers, 2, slots, H, P, D), the step's keys written.
    """
    noted: list[tuple[Request, Tensor]] = []
    for row, (sequence, slot) in enumerate(zip(batch.sequences, batch.slots, strict=True)):
        watch = sequence.watch
        if watch is None or sequence.cached + batch.length <= watch.first:
            continue
        masses = [
            _mass(queries[layer][row, head], cache[layer, 0, slot, head], sequence.cached, watch)
            for layer, head in watch.heads
        ]
        noted.append((sequence, torch.stack(masses)))
    for (sequence, _), seen in zip(noted, _to_host([mass for _, mass in noted]), strict=True):
        sequence.seen.append(seen)


def _mass(queries: Tensor, keys: Tensor, start: int, watch: Watch) -> Tensor:
    """One head's attention: (T, D) queries at positions start.. over (P, D) keys, of the positions
    and over the positions that are watched: (t, width) float32.
    """
    skipped = max(0, watch.first - start)
    asked, end = queries[skipped:].float(), start + len(queries)
    weights = asked @ keys[:end].float().T / math.sqrt(queries.shape[1])
    if len(asked) > 1:
        future = torch.ones_like(weights, dtype=torch.bool).triu(start + skipped + 1)
        weights = weights.masked_fill(future, -torch.inf)
    return functional.softmax(weights, dim=-1)[:, : watch.width]


def _to_host(tensors: Sequence[Tensor]) -> list[NDArray[np.float32]]:
    """Several tensors in one transfer."""
    if not tensors:
        return []
    flat = torch.cat([tensor.flatten() for tensor in tensors]).cpu().numpy()
    ends = np.cumsum([tensor.numel() for tensor in tensors])
    parts = np.split(flat, ends[:-1])
    return [part.reshape(tensor.shape) for part, tensor in zip(parts, tensors, strict=True)]
