"""Runs a causal model over batches: moves ids in, moves tokens out. Knows torch; knows no
queues.
"""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from barkserve.engine.attention_watch import note
from barkserve.engine.graphs import Graphs, bucket_of, buckets
from barkserve.engine.offload import Offload
from barkserve.engine.sampler import SamplingBatch, sample
from barkserve.engine.scheduler import Batch
from barkserve.models.attention import CacheRows
from barkserve.models.causal import CausalModel
from barkserve.models.memory import memory_report


class ModelRunner:
    """A causal model, its key/value cache, and the heads that its tokens are chosen from.

    Args:
        model: the model, on its device, in its dtype.
        heads: for each head the token ids that may be chosen, each (V,) int64, ascending.
        slots: how many sequences may be in flight.
        graphs: decodes are replayed from these, captured for all batch sizes at once; None: not.
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
        spare = 0 if graphs is None else 1  # the slot that rows nobody asked for write to
        self._cache = model.new_cache(slots + spare)
        self._ids = list(heads)
        self._heads = [model.head(torch.from_numpy(ids)) for ids in heads]

    @torch.inference_mode()
    def capture(self, ids_a_position: int) -> None:
        """Capture the decodes of all batch sizes, where there are graphs, so that no stream waits
        for that.
        """
        for size in buckets(self.slots) if self._graphs is not None else ():
            ids = np.zeros((size, 1, ids_a_position), dtype=np.int64)
            self._replay(ids, [self.slots] * size, [0] * size)

    @property
    def memory(self) -> str:
        """What the model and the cache take, for the log."""
        return memory_report(self._model, self._cache)

    def offload(self) -> Offload:
        """What takes the model and the cache from their device and brings them back."""
        modules = (self._model, *self._heads)
        weights = (part for module in modules for part in module.parameters())
        return Offload(weights, [self._cache], self._graphs.forget if self._graphs else None)

    @torch.inference_mode()
    def run(self, batch: Batch) -> list[int]:
        """Append every sequence's pending positions to its slot and draw one token each."""
        hidden = self._forward(batch)
        columns = torch.empty(len(batch.sequences), dtype=torch.int64, device=self._device)
        used = sorted({sequence.next_head for sequence in batch.sequences})
        for head in used:
            rows = [
                row for row, sequence in enumerate(batch.sequences) if sequence.next_head == head
            ]
            if len(used) == 1:
                columns = self._choose(hidden, head, batch, rows)
            else:
                index = torch.tensor(rows, device=self._device)
                columns[index] = self._choose(hidden[index], head, batch, rows)
        return self._to_tokens(batch, columns.tolist())

    @torch.inference_mode()
    def logits(self, batch: Batch) -> Tensor:
        """(B, V) float32: what the first sequence's head says of every row; appends to the slots as
        run() does.
        """
        return self._model.logits(self._forward(batch), self._heads[batch.sequences[0].next_head])

    def _forward(self, batch: Batch) -> Tensor:
        ids = np.stack([sequence.pending() for sequence in batch.sequences])  # (B, T, C)
        slots, starts = list(batch.slots), [sequence.cached for sequence in batch.sequences]
        watched = any(sequence.watch is not None for sequence in batch.sequences)
        if self._graphs is not None and batch.length == 1 and not watched:
            return self._replay(ids, slots, starts)
        rows = CacheRows.of(slots, starts, batch.length, self._cache)
        queries: dict[int, Tensor] = {}
        hidden: Tensor = self._model(
            to_device(ids, self._device),
            self._cache,
            rows,
            queries.__setitem__ if watched else None,
        )
        if watched:
            note(batch, queries, self._cache)
        return hidden

    def _replay(self, ids: NDArray[np.int64], slots: list[int], starts: list[int]) -> Tensor:
        """(B, hidden) of a decode, the batch filled up to a size that is captured."""
        assert self._graphs is not None
        count = len(slots)
        fill = bucket_of(count, self.slots) - count
        padded = np.concatenate([ids, np.zeros((fill, *ids.shape[1:]), dtype=np.int64)])
        places = np.array([slots + [self.slots] * fill, starts + [0] * fill], dtype=np.int64)
        inputs = (to_device(padded, self._device), to_device(places, self._device))
        return self._graphs.run(padded.shape, inputs, self._decode)[:count]

    def _decode(self, ids: Tensor, places: Tensor) -> Tensor:
        rows = CacheRows.anywhere(places[0], places[1], self._cache.shape[4])
        hidden: Tensor = self._model(ids, self._cache, rows)
        return hidden

    def _choose(self, hidden: Tensor, head: int, batch: Batch, rows: list[int]) -> Tensor:
        sequences = [batch.sequences[row] for row in rows]
        params = SamplingBatch.of(
            [sequence.sampling for sequence in sequences],
            [sequence.next_uniform for sequence in sequences],
            self._device,
        )
        stop = sequences[0].stop_token
        stop_index = None if stop is None else int(np.searchsorted(self._ids[head], stop))
        return sample(self._model.logits(hidden, self._heads[head]), params, stop_index)

    def _to_tokens(self, batch: Batch, columns: list[int]) -> list[int]:
        return [
            int(self._ids[sequence.next_head][column])
            for sequence, column in zip(batch.sequences, columns, strict=True)
        ]


def to_device(values: NDArray[np.int64], device: torch.device) -> Tensor:
    """A transfer that the host does not wait for."""
    tensor = torch.from_numpy(values)
    return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor
