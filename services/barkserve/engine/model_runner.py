"""Runs a causal network over batches: moves ids in, moves tokens out. Knows torch; knows no
queues."""

from collections.abc import Sequence as Rows

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from barkserve.engine.attention_watch import note
from barkserve.engine.sampler import SamplingBatch, sample
from barkserve.engine.scheduler import Batch
from barkserve.models.attention import CacheRows
from barkserve.models.causal import CausalModel
from barkserve.models.memory import memory_report


class ModelRunner:
    """A causal model, its key/value cache, and the heads that its tokens are chosen from.

    Args:
        model: the network, on its device, in its dtype.
        heads: for each head the token ids that may be chosen, each (V,) int64, ascending.
        slots: how many sequences may be in flight.
    """

    def __init__(self, model: CausalModel, heads: Rows[NDArray[np.int64]], slots: int) -> None:
        self.slots = slots
        self._model = model.eval()
        self._device = model.lm_head.weight.device
        self._cache = model.new_cache(slots)
        self._ids = list(heads)
        self._heads = [model.head(torch.from_numpy(ids)) for ids in heads]

    @property
    def memory(self) -> str:
        """What the network and the cache take, for the log."""
        return memory_report(self._model, self._cache)

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
        run() does."""
        return self._model.logits(self._forward(batch), self._heads[batch.sequences[0].next_head])

    def _forward(self, batch: Batch) -> Tensor:
        ids = np.stack([sequence.pending() for sequence in batch.sequences])  # (B, T, C)
        rows = CacheRows.of(
            slots=list(batch.slots),
            starts=[sequence.cached for sequence in batch.sequences],
            length=batch.length,
            device=self._device,
        )
        watched = any(sequence.watch is not None for sequence in batch.sequences)
        queries: dict[int, Tensor] = {}
        hidden: Tensor = self._model(
            torch.from_numpy(ids).to(self._device),
            self._cache,
            rows,
            queries.__setitem__ if watched else None,
        )
        if watched:
            note(batch, queries, self._cache)
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
