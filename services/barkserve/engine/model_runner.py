"""Runs a causal model over batches: token ids in, drawn tokens out."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from barkserve.engine.attention_watch import record_attention
from barkserve.engine.graphs import Graphs, bucket_size, bucket_sizes
from barkserve.engine.offload import Offload
from barkserve.engine.sampler import SamplingBatch, sample
from barkserve.engine.scheduler import Batch
from barkserve.models.attention import PromptRows
from barkserve.models.causal import CausalModel
from barkserve.models.memory import memory_report


class ModelRunner:
    """A causal model, its key/value cache, and its output heads.

    Args:
        model: the model, on its device, in its dtype.
        heads: for each head the token ids that it chooses from, each (V,) int64, ascending.
        slots: number of requests that can run at once.
        graphs: decodes are replayed from these; None: no graphs.
    """

    def __init__(
        self,
        model: CausalModel,
        heads: Sequence[NDArray[np.int64]],
        slots: int,
        graphs: Graphs | None = None,
    ) -> None:
        self.slots = slots
        self._model = model.eval()
        self._graphs = graphs
        self._device = model.lm_head.weight.device
        self._cache = model.new_cache(slots)
        self._ids = list(heads)
        self._heads = [model.head(torch.from_numpy(ids)) for ids in heads]

    @torch.inference_mode()
    def capture(self, ids_per_position: int) -> None:
        """Capture the decodes of all batch sizes, if there are graphs.

        Done before the first stream, which would otherwise wait for it.
        """
        for size in bucket_sizes(self.slots) if self._graphs is not None else ():
            ids = np.zeros((size, 1, ids_per_position), dtype=np.int64)
            self._replay(ids, [self.slots] * size, [0] * size)

    @property
    def memory(self) -> str:
        """Memory of the model and the cache, for the log."""
        return memory_report(self._model, self._cache)

    def offload(self) -> Offload:
        """Make the object that moves the model and the cache to host memory and back."""
        modules = (self._model, *self._heads)
        weights = (part for module in modules for part in module.parameters())
        return Offload(weights, [self._cache], self._graphs.clear if self._graphs else None)

    @torch.inference_mode()
    def run(self, batch: Batch) -> list[int]:
        """Append every request's pending positions to its slot and draw one token each."""
        hidden = self._forward(batch)
        columns = torch.empty(len(batch.requests), dtype=torch.int64, device=self._device)
        used = sorted({request.next_head for request in batch.requests})
        for head in used:
            rows = [row for row, request in enumerate(batch.requests) if request.next_head == head]
            if len(used) == 1:
                columns = self._choose(hidden, head, batch, rows)
            else:
                index = torch.tensor(rows, device=self._device)
                columns[index] = self._choose(hidden[index], head, batch, rows)
        return self._to_tokens(batch, columns.tolist())

    @torch.inference_mode()
    def logits(self, batch: Batch) -> Tensor:
        """Append to the slots as run() does; return the logits instead of drawing.

        Returns:
            (B, V) float32, of the first request's head for every row.
        """
        return self._model.logits(self._forward(batch), self._heads[batch.requests[0].next_head])

    def _forward(self, batch: Batch) -> Tensor:
        ids = np.stack([request.pending() for request in batch.requests])  # (B, T, C)
        slots, starts = list(batch.slots), [request.cached for request in batch.requests]
        watched = any(request.watch is not None for request in batch.requests)
        if self._graphs is not None and batch.length == 1 and not watched:
            return self._replay(ids, slots, starts)
        places = torch.tensor([slots, starts], device=self._device)
        queries: dict[int, Tensor] = {}
        record = queries.__setitem__ if watched else None
        ids_there = to_device(ids, self._device)
        if batch.length == 1 and (ids[:, 0, 1:] < 0).all():
            hidden = self._model.decode(
                ids_there[:, 0, 0], places[0], places[1], self._cache, record
            )
        else:
            longest, fresh = max(starts) + batch.length, not any(starts)
            rows = PromptRows(places[0], places[1], None, longest, fresh)
            hidden = self._model.prefill(ids_there, rows, self._cache, record)
        if watched:
            record_attention(batch, queries, self._cache)
        return hidden

    def _replay(self, ids: NDArray[np.int64], slots: list[int], starts: list[int]) -> Tensor:
        """Replay a decode, padded to a captured batch size. Returns (B, hidden)."""
        assert self._graphs is not None
        count = len(slots)
        padding = bucket_size(count, self.slots) - count
        padded = np.concatenate([ids, np.zeros((padding, *ids.shape[1:]), dtype=np.int64)])
        places = np.array([slots + [self.slots] * padding, starts + [0] * padding], dtype=np.int64)
        inputs = (to_device(padded, self._device), to_device(places, self._device))
        return self._graphs.run(padded.shape, inputs, self._decode)[:count]

    def _decode(self, ids: Tensor, places: Tensor) -> Tensor:
        return self._model.decode(ids[:, 0, 0], places[0], places[1], self._cache)

    def _choose(self, hidden: Tensor, head: int, batch: Batch, rows: list[int]) -> Tensor:
        requests = [batch.requests[row] for row in rows]
        params = SamplingBatch.from_params(
            [request.sampling for request in requests],
            [request.next_uniform for request in requests],
            self._device,
        )
        stop = requests[0].stop_token
        stop_index = None if stop is None else int(np.searchsorted(self._ids[head], stop))
        return sample(self._model.logits(hidden, self._heads[head]), params, stop_index)

    def _to_tokens(self, batch: Batch, columns: list[int]) -> list[int]:
        return [
            int(self._ids[request.next_head][column])
            for request, column in zip(batch.requests, columns, strict=True)
        ]


def to_device(values: NDArray[np.int64], device: torch.device) -> Tensor:
    """Copy values to a device without blocking the host."""
    tensor = torch.from_numpy(values)
    return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor
