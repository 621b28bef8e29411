"""Runs portions of prompts: one captured graph each for few lengths, or uncaptured."""

from collections.abc import Hashable
from functools import partial

import numpy as np
import torch
from torch import Tensor

from barkserve.engine.attention_watch import BatchWatch, record_prompts
from barkserve.engine.batch import Integers, Prefill
from barkserve.engine.device_step import DeviceStep, recorder
from barkserve.engine.graphs import Graphs, bucket_size, bucket_sizes
from barkserve.engine.limits import PORTION, PROMPT_ROWS
from barkserve.engine.sampler import Warpers, all_captured
from barkserve.engine.transfer import Staging
from barkserve.models.attention.slots import PromptRows

_BUCKET = 64  # lengths of captured prefills are multiples of it


class PromptRunner:
    """Runs portions of prompts.

    Args:
        step: the model and its cache.
        slots: number of slots.
        graphs: prefills are replayed from these; None: no graphs.

    Attributes:
        most_rows: most rows of a captured prefill.
    """

    def __init__(self, step: DeviceStep, slots: int, graphs: Graphs | None) -> None:
        self._step = step
        self._graphs = graphs
        self._positions = step.cache.shape[4]
        self.most_rows = 1 if step.model.plan.deterministic else min(PROMPT_ROWS, slots)

    def launch(
        self, batch: Prefill, staging: Staging, watch: BatchWatch | None
    ) -> tuple[tuple[Tensor, ...], BatchWatch | None]:
        """Run portions of some prompts.

        Returns:
            For the last portions tokens, (1, B) int64, and attention of the last positions, (1, B,
            heads, width), if the watch is returned, too. Else it was recorded already.
        """
        if self._graphs is None or _watches_several(batch):
            ids, places = self._inputs(batch, max(batch.lengths))
            inputs = [
                staging.put(each).to(self._step.device, non_blocking=True) for each in (ids, places)
            ]
            return self._uncaptured(batch, inputs[0], inputs[1], watch), None
        watch = watch if batch.last else None
        length = min(-(-max(batch.lengths) // _BUCKET) * _BUCKET, self._positions)
        ids, places = self._inputs(batch, length)
        fresh = not batch.starts.any()
        results = self._replay(staging.put(ids), staging.put(places), fresh, batch.last, watch)
        return results if batch.last else (), watch

    def capture(self, ids_per_position: int) -> None:
        """Capture prefills of all sizes."""
        longest = min(PORTION, self._positions)
        for count in bucket_sizes(self.most_rows):
            places = self._unused_places(count)
            for length in range(-(-longest // _BUCKET) * _BUCKET, 0, -_BUCKET):
                shape = (count, min(length, longest), ids_per_position)
                ids = torch.zeros(shape, dtype=torch.int64)
                for fresh in (True, False):
                    self._replay(ids, places, fresh, True, None)
                    if length == PORTION:
                        self._replay(ids, places, fresh, False, None)

    def logits(self, batch: Prefill) -> Tensor:
        """Append to the slots as `launch` does; return the logits instead of drawing.

        Returns:
            (B, V) float32, of each request's first head.
        """
        step = self._step
        ids, places = self._inputs(batch, max(batch.lengths))
        on_device = torch.from_numpy(ids).to(step.device)
        rows = self._rows(torch.from_numpy(places).to(step.device), batch, len(ids[0]))
        head = torch.tensor([request.heads.start for request in batch.requests])
        hidden = step.model.prefill(on_device, rows, step.cache)
        return step.heads.logits(hidden, head.to(step.device))

    def _uncaptured(
        self, batch: Prefill, ids: Tensor, places: Tensor, watch: BatchWatch | None
    ) -> tuple[Tensor, ...]:
        queries: dict[int, Tensor] = {}
        rows, cache = self._rows(places, batch, ids.shape[1]), self._step.cache
        hidden = self._step.model.prefill(ids, rows, cache, recorder(queries, watch))
        if watch is not None:
            record_prompts(batch, queries, cache)
        if not batch.last:
            return ()
        warpers = Warpers.for_rows(request.sampling for request in batch.requests)
        return (self._first_tokens(hidden, places, warpers),)

    def _rows(self, places: Tensor, batch: Prefill, length: int) -> PromptRows:
        slots, starts, lengths = places
        ragged = self._graphs is not None or len(set(batch.lengths.tolist())) > 1
        longest = min(int(batch.starts.max()) + length, self._positions)
        fresh = not batch.starts.any()
        return PromptRows(slots, starts, lengths if ragged else None, longest, fresh)

    def _inputs(self, batch: Prefill, length: int) -> tuple[Integers, Integers]:
        """Return the ids, (B, length, C), and slots, starts and lengths, (3, B), of a prefill.

        With graphs B is padded to a captured size.
        """
        count = len(batch.requests)
        if self._graphs is not None:
            count = bucket_size(count, self.most_rows)
        ids = np.full((count, length, batch.requests[0].prompt.shape[1]), -1, dtype=np.int64)
        ids[:, :, 0] = 0
        places = self._unused_places(count).numpy()
        places[:, : len(batch.slots)] = (batch.slots, batch.starts, batch.lengths)
        for row, request in enumerate(batch.requests):
            start, added = batch.starts[row], batch.lengths[row]
            ids[row, :added] = request.prompt[start : start + added]
        return ids, places

    def _unused_places(self, count: int) -> Tensor:
        """Slots, starts and lengths, (3, count), of rows that a prefill does not use."""
        return torch.tensor([[self._step.spare], [0], [1]]).repeat(1, count)

    def _replay(
        self, ids: Tensor, places: Tensor, fresh: bool, last: bool, watch: BatchWatch | None
    ) -> tuple[Tensor, ...]:
        assert self._graphs is not None
        watch = self._step.captured_watch(watch)
        key: Hashable = ("prefill", ids.shape, fresh, last, watch)
        run = partial(self._run, fresh=fresh, last=last, watch=watch)
        unused = self._unused_places
        return self._graphs.run(
            key, (ids, places), run, lambda: (torch.zeros_like(ids), unused(len(ids)))
        )

    def _run(
        self, ids: Tensor, places: Tensor, fresh: bool, last: bool, watch: BatchWatch | None
    ) -> tuple[Tensor, ...]:
        """Run a portion of some prompts on the device."""
        slots, starts, lengths = places
        step, queries = self._step, dict[int, Tensor]()
        rows = PromptRows(slots, starts, lengths, ids.shape[1] if fresh else self._positions, fresh)
        hidden = step.model.prefill(ids, rows, step.cache, recorder(queries, watch))
        if not last:
            return (hidden,)
        _, any_warpers = all_captured(step.heads.columns, step.stops)
        tokens = self._first_tokens(hidden, places, any_warpers)
        if watch is None:
            return (tokens,)
        each = torch.arange(len(slots), device=slots.device)
        at_end = {layer: q[each, :, lengths - 1] for layer, q in queries.items()}
        attention = step.attention(at_end, slots, starts + lengths - 1, watch)
        return tokens, attention[None]

    def _first_tokens(self, hidden: Tensor, places: Tensor, warpers: Warpers) -> Tensor:
        """Draw the first token of each row after its prompt, (1, B) int64."""
        slots, starts, lengths = places
        rows = self._step.state.gather(slots)
        rows.length = starts + lengths
        drawn = self._step.draw(hidden, rows, warpers)
        self._step.state.scatter(rows)
        return drawn[None]


def _watches_several(batch: Prefill) -> bool:
    """Whether a request watches positions of this portion other than the prompt's last one."""
    ends = (batch.starts + batch.lengths - int(batch.last)).tolist()
    return any(
        request.watch is not None and end > request.watch.first
        for request, end in zip(batch.requests, ends, strict=True)
    )
