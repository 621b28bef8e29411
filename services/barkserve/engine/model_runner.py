"""Runs a causal model over batches: prompts in, bursts of drawn tokens out.

A batch is launched and collected later. On CUDA each is one captured graph, and two batches are in
flight: the next is launched before the tokens of the last one are read. The work of the host does
not grow with the steps of a burst, and only the last parsing of its tokens grows with its rows.

A CPU runs the same functions in a loop. There a batch has ended when `launch` returns, and a burst
ends early when a row ends or when the engine asks for it.
"""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from barkserve.engine.attention_watch import BatchWatch, record_prompts, step_attention
from barkserve.engine.batch import Batch, Burst, Prefill
from barkserve.engine.graphs import (
    Graphs,
    bucket_size,
    bucket_sizes,
    garbage_collection_paused,
)
from barkserve.engine.heads import Heads
from barkserve.engine.limits import Limits
from barkserve.engine.offload import Offload
from barkserve.engine.request import Request, SamplingParams
from barkserve.engine.row_state import NO_TOKEN, Rows, RowState
from barkserve.engine.sampler import Warpers, all_captured
from barkserve.engine.speculation import Speculation
from barkserve.engine.transfer import HostStaging, PinnedStaging, Staging
from barkserve.models.attention import PromptRows
from barkserve.models.causal import CausalModel
from barkserve.models.device import DeviceCapabilities
from barkserve.models.memory import memory_report

CAPTURED_STEPS = (1, 2, 4, 8)
"""Lengths of captured bursts."""

PORTION = 320
"""Positions of a prompt in one captured prefill: the whole prompt of the semantic model."""

PROMPT_ROWS = 4
"""Most rows of a captured prefill."""

_BUCKET = 64  # lengths of captured prefills are multiples of it
_IN_FLIGHT = 2
_STEPS_BETWEEN_PROMPTS = 4  # of CAPTURED_STEPS: they take about as long as a prefill

Ids = NDArray[np.int64]


@dataclass(frozen=True)
class Flight:
    """A batch that was launched."""

    batch: Batch
    staging: Staging
    watch: BatchWatch | None
    rows: tuple[int, ...]  # where the requests are among the rows of the results


class ModelRunner:
    """A causal model, its key/value cache, its output heads and the state of its rows.

    Args:
        model: the model, on its device, in its dtype.
        heads: for each head the token ids that it chooses from, each (V,) int64, ascending.
        slots: number of requests that can run at once.
        graphs: batches are replayed from these; None: no graphs.
        prompt_positions: most positions in a prefill of several prompts without graphs.
    """

    def __init__(
        self,
        model: CausalModel,
        heads: Sequence[Ids],
        slots: int,
        graphs: Graphs | None = None,
        prompt_positions: int = 1,
    ) -> None:
        self._model = model.eval()
        self._graphs = graphs
        self._stops = len(heads) == 1  # tokens of several heads in turn have none that stops
        self._device = model.lm_head.weight.device
        self._capabilities = DeviceCapabilities.of(self._device)
        self._on_host = self._capabilities.is_host and graphs is None
        self._spare = slots
        self._cache = model.new_cache(slots)
        self._state = RowState(slots, model.config.block_size, self._device)
        self._heads = Heads(model, heads, self._on_host)
        self._speculation: Speculation | None = None
        if model.draft is not None and self._on_host and not model.plan.deterministic:
            draft_heads = Heads(model.draft, heads, on_host=True)
            self._speculation = Speculation(
                model, self._heads, model.draft, draft_heads, self._cache, self._state
            )
        self._owners: list[Request | None] = [None] * slots  # whose rows are uploaded
        in_flight = 1 if self._on_host else _IN_FLIGHT
        self._stagings = [self._new_staging(slots) for _ in range(in_flight)]
        self._launched = 0
        self._rows: tuple[Request, ...] = ()  # of the last burst, and what they need
        self._watch: BatchWatch | None = None
        self._warpers = Warpers.for_rows([SamplingParams()])
        captured = graphs is not None
        self._most_prompts = 1 if model.plan.deterministic else min(PROMPT_ROWS, slots)
        if captured:
            prompt_positions = PROMPT_ROWS * PORTION
        if model.plan.deterministic:
            prompt_positions = 1
        self.limits = Limits(
            slots=slots,
            in_flight=in_flight,
            portion=PORTION if captured else None,
            prompt_positions=prompt_positions,
            padded=captured,
            steps=CAPTURED_STEPS if captured else None,
            steps_between_prompts=_STEPS_BETWEEN_PROMPTS if captured else 1,
        )

    @property
    def memory(self) -> str:
        """Memory of the model, the cache and the graphs, for the log."""
        report = memory_report(self._model, self._cache)
        return report if self._graphs is None else f"{report}, {self._graphs.report}"

    def offload(self) -> Offload:
        """Make the object that moves the model and the cache to host memory and back."""
        modules = (self._model, *self._heads.modules)
        weights = (part for module in modules for part in module.parameters())
        return Offload(weights, [self._cache], self._graphs.clear if self._graphs else None)

    @torch.inference_mode()
    def capture(self, ids_per_position: int) -> None:
        """Capture bursts and prefills of all sizes, if there are graphs.

        Done before the first stream, which would otherwise wait for it.
        """
        if self._graphs is None:
            return
        with garbage_collection_paused():
            for count in bucket_sizes(self.limits.slots):
                slots = torch.full((count,), self._spare)
                for warpers in all_captured(self._heads.columns, self._stops):
                    for steps in reversed(CAPTURED_STEPS):
                        self._burst(slots, steps, warpers, None)
            for count in bucket_sizes(self._most_prompts):
                self._capture_prefills(count, ids_per_position)

    @torch.inference_mode()
    def launch(self, batch: Batch, proceed: Callable[[], bool] = lambda: True) -> Flight:
        """Start to compute a batch, after all batches launched before.

        At most limits.in_flight batches are launched and not collected.

        Args:
            batch: the batch.
            proceed: on a CPU called between two steps of a burst; False ends it.
        """
        staging = self._stagings[self._launched % len(self._stagings)]
        self._launched += 1
        staging.clear()
        if isinstance(batch, Burst):
            if batch.requests != self._rows:  # most bursts have the rows of the one before
                self._upload(batch, staging)
                self._rows, self._watch = batch.requests, BatchWatch.for_requests(batch.requests)
                self._warpers = Warpers.for_rows(request.sampling for request in batch.requests)
            return self._launch_burst(batch, staging, self._watch, proceed)
        self._upload(batch, staging)
        watch = BatchWatch.for_requests(batch.requests)
        assert isinstance(batch, Prefill)
        return self._launch_prefill(batch, staging, watch)

    def collect(self, flight: Flight) -> list[list[int]]:
        """Wait for a batch and return the tokens that each of its requests drew.

        The attention of watched requests is appended to them.
        """
        results = flight.staging.wait()
        if not results:
            return [[] for _ in flight.batch.requests]
        drawn = results[0][:, list(flight.rows)]  # (steps, rows)
        counts = (drawn != NO_TOKEN).sum(axis=0).tolist()
        tokens = [row[:count] for row, count in zip(drawn.T.tolist(), counts, strict=True)]
        if flight.watch is not None and len(results) > 1:
            for request, row, count in zip(flight.batch.requests, flight.rows, counts, strict=True):
                if request.watch is not None and count:
                    part = flight.watch.part(results[1][:count, row], request.watch)
                    request.attention.append(part)
        return tokens

    @torch.inference_mode()
    def logits(self, batch: Prefill) -> Tensor:
        """Append to the slots as a prefill does; return the logits instead of drawing.

        Returns:
            (B, V) float32, of each request's first head.
        """
        ids, places = self._prompts(batch, max(batch.lengths))
        on_device = torch.from_numpy(ids).to(self._device)
        rows = self._prompt_rows(torch.from_numpy(places).to(self._device), batch, len(ids[0]))
        head = torch.tensor([request.heads.start for request in batch.requests])
        hidden = self._model.prefill(on_device, rows, self._cache)
        return self._heads.logits(hidden, head.to(self._device))

    def _new_staging(self, slots: int) -> Staging:
        if not self._capabilities.pins_memory:
            return HostStaging()
        config, rows = self._model.config, slots + 1
        watched = CAPTURED_STEPS[-1] * rows * config.block_size * 4
        prompts = PROMPT_ROWS * config.block_size * 2 * 8
        return PinnedStaging(watched + prompts + rows * (config.block_size * 4 + 256))

    def _upload(self, batch: Batch, staging: Staging) -> None:
        """Upload the rows of requests that are new in their slots."""
        fresh = [
            (request, slot)
            for request, slot in zip(batch.requests, batch.slots, strict=True)
            if self._owners[slot] is not request
        ]
        if not fresh:
            return
        requests, slots = zip(*fresh, strict=True)
        stops = [self._heads.column_of(request.stop_token) for request in requests]
        rows = self._state.pack(requests, slots, stops)
        parts = (rows.slots, rows.integers, rows.floats, rows.uniforms)
        self._state.load(*(staging.put(part).to(self._device, non_blocking=True) for part in parts))
        for request, slot in fresh:
            self._owners[slot] = request

    def _launch_burst(
        self,
        batch: Burst,
        staging: Staging,
        watch: BatchWatch | None,
        proceed: Callable[[], bool],
    ) -> Flight:
        slots, rows = self._burst_slots(batch.slots)
        results = self._burst(staging.put(slots), batch.steps, self._warpers, watch, proceed)
        staging.read(results)
        return Flight(batch, staging, watch, rows)

    def _burst_slots(self, slots: tuple[int, ...]) -> tuple[Ids, tuple[int, ...]]:
        """Return the slot of each row of a burst, and which rows the batch has."""
        if self._on_host:
            return np.array(slots, dtype=np.int64), tuple(range(len(slots)))
        ordered = self._model.attention.ordered
        count = bucket_size(max(slots) + 1 if ordered else len(slots), self.limits.slots)
        rows = slots if ordered else tuple(range(len(slots)))
        padded = np.full(count, self._spare, dtype=np.int64)
        padded[list(rows)] = slots
        return padded, rows

    def _burst(
        self,
        slots: Tensor,
        steps: int,
        warpers: Warpers,
        watch: BatchWatch | None,
        proceed: Callable[[], bool] = lambda: True,
    ) -> tuple[Tensor, ...]:
        if self._graphs is None:
            run = partial(self._run_burst, steps=steps, warpers=warpers, watch=watch)
            return run(slots.to(self._device, non_blocking=True), proceed=proceed)
        warpers = warpers.captured(self._heads.columns, self._stops)
        watch = self._captured_watch(watch)
        run = partial(self._run_burst, steps=steps, warpers=warpers, watch=watch)
        key: Hashable = ("burst", len(slots), steps, warpers, watch)
        return self._graphs.run(key, (slots,), run, lambda: (torch.full_like(slots, self._spare),))

    def _run_burst(
        self,
        slots: Tensor,
        steps: int,
        warpers: Warpers,
        watch: BatchWatch | None,
        proceed: Callable[[], bool] = lambda: True,
    ) -> tuple[Tensor, ...]:
        """Run a burst on the device.

        Returns:
            Tokens, (steps, B) int64, and with a watch attention, (steps, B, heads, width) float32.
            Speculation can add some steps.
        """
        rows = self._state.gather(slots)
        made = self._advance(rows, warpers, watch)
        while len(made) < steps and not (self._on_host and self._ends(rows, proceed)):
            made += self._advance(rows, warpers, watch)
        self._state.scatter(rows)
        return tuple(torch.stack(each) for each in zip(*made, strict=True))

    def _ends(self, rows: Rows, proceed: Callable[[], bool]) -> bool:
        """Whether a burst on a CPU ends before its last step."""
        return not proceed() or not rows.running.all()

    def _advance(
        self, rows: Rows, warpers: Warpers, watch: BatchWatch | None
    ) -> list[tuple[Tensor, ...]]:
        """Draw the next token of each row, or the next ones of a single row."""
        if self._speculation is not None and self._speculation.fits(rows):
            return self._speculation.draw(rows, warpers, watch)
        return [self._step(rows, warpers, watch)]

    def _step(self, rows: Rows, warpers: Warpers, watch: BatchWatch | None) -> tuple[Tensor, ...]:
        """Feed each row's last token and draw the next. Rows that have ended use the spare slot."""
        slots = rows.slots
        if not self._on_host:  # there a burst ends with the first of its rows
            slots = torch.where(rows.running > 0, slots, self._spare)
        queries: dict[int, Tensor] = {}
        record = None if watch is None else queries.__setitem__
        hidden = self._model.decode(rows.token, slots, rows.length, self._cache, record)
        position = rows.length
        rows.length = rows.length + rows.running
        made = self._draw(hidden, rows, warpers)
        if watch is None:
            return (made,)
        last = {layer: each[:, :, 0] for layer, each in queries.items()}
        return made, self._attention(last, slots, position, watch)

    def _draw(self, hidden: Tensor, rows: Rows, warpers: Warpers) -> Tensor:
        """Draw one token per row from its final state, (B, hidden). Returns (B,) int64."""
        return rows.record(self._heads.choose(hidden, self._state.uniform(rows), rows, warpers))

    def _attention(
        self, queries: dict[int, Tensor], slots: Tensor, positions: Tensor, watch: BatchWatch
    ) -> Tensor:
        """(B, heads, width) float32: the attention of queries, by layer (B, H, D)."""
        longest = int(positions.max()) + 1 if self._on_host else self._cache.shape[4]
        keys = [
            self._cache[layer, 0, :, head, :longest].index_select(0, slots)
            for layer, head in watch.heads
        ]
        of_heads = [queries[layer][:, head] for layer, head in watch.heads]
        return step_attention(of_heads, keys, positions, watch.width)

    def _captured_watch(self, watch: BatchWatch | None) -> BatchWatch | None:
        """Round a watch up, so that few graphs serve all."""
        if watch is None:
            return None
        width = min(-(-watch.width // _BUCKET) * _BUCKET, self._cache.shape[4])
        return BatchWatch(watch.heads, width)

    def _launch_prefill(self, batch: Prefill, staging: Staging, watch: BatchWatch | None) -> Flight:
        rows = tuple(range(len(batch.requests)))
        if self._graphs is None or _watches_several(batch):
            ids, places = self._prompts(batch, max(batch.lengths))
            inputs = [
                staging.put(each).to(self._device, non_blocking=True) for each in (ids, places)
            ]
            results = self._prefill_uncaptured(batch, inputs[0], inputs[1], watch)
            staging.read(results if batch.last else ())
            return Flight(batch, staging, None, rows)
        watch = watch if batch.last else None
        ids, places = self._prompts(batch, self._bucket(batch))
        fresh = not any(batch.starts)
        inputs = [staging.put(each) for each in (ids, places)]
        results = self._prefill(inputs[0], inputs[1], fresh, batch.last, watch)
        staging.read(results if batch.last else ())
        return Flight(batch, staging, watch, rows)

    def _prefill_uncaptured(
        self,
        batch: Prefill,
        ids: Tensor,
        places: Tensor,
        watch: BatchWatch | None,
    ) -> tuple[Tensor, ...]:
        warpers = Warpers.for_rows(request.sampling for request in batch.requests)
        queries: dict[int, Tensor] = {}
        record = None if watch is None else queries.__setitem__
        rows = self._prompt_rows(places, batch, ids.shape[1])
        hidden = self._model.prefill(ids, rows, self._cache, record)
        if watch is not None:
            record_prompts(batch, queries, self._cache)
        return (self._first_tokens(hidden, places, warpers),) if batch.last else ()

    def _prompt_rows(self, places: Tensor, batch: Prefill, length: int) -> PromptRows:
        slots, starts, lengths = places
        ragged = self._graphs is not None or len(set(batch.lengths)) > 1
        longest = min(max(batch.starts) + length, self._cache.shape[4])
        fresh = not any(batch.starts)
        return PromptRows(slots, starts, lengths if ragged else None, longest, fresh)

    def _prompts(self, batch: Prefill, length: int) -> tuple[Ids, Ids]:
        """Return the ids, (B, length, C), and slots, starts and lengths, (3, B), of a prefill.

        With graphs B is padded to a captured size.
        """
        count = len(batch.requests)
        if self._graphs is not None:
            count = bucket_size(count, self._most_prompts)
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
        return torch.tensor([[self._spare], [0], [1]]).repeat(1, count)

    def _bucket(self, batch: Prefill) -> int:
        return min(-(-max(batch.lengths) // _BUCKET) * _BUCKET, self._cache.shape[4])

    def _capture_prefills(self, count: int, ids_per_position: int) -> None:
        places = self._unused_places(count)
        longest = min(PORTION, self._cache.shape[4])
        for length in range(-(-longest // _BUCKET) * _BUCKET, 0, -_BUCKET):
            ids = torch.zeros((count, min(length, longest), ids_per_position), dtype=torch.int64)
            for fresh in (True, False):
                self._prefill(ids, places, fresh, True, None)
                if length == PORTION:
                    self._prefill(ids, places, fresh, False, None)

    def _prefill(
        self,
        ids: Tensor,
        places: Tensor,
        fresh: bool,
        last: bool,
        watch: BatchWatch | None,
    ) -> tuple[Tensor, ...]:
        assert self._graphs is not None
        watch = self._captured_watch(watch)
        key: Hashable = ("prefill", ids.shape, fresh, last, watch)
        run = partial(self._run_prefill, fresh=fresh, last=last, watch=watch)
        return self._graphs.run(
            key,
            (ids, places),
            run,
            lambda: (torch.zeros_like(ids), self._unused_places(len(ids))),
        )

    def _run_prefill(
        self,
        ids: Tensor,
        places: Tensor,
        fresh: bool,
        last: bool,
        watch: BatchWatch | None,
    ) -> tuple[Tensor, ...]:
        """Run a part of some prompts on the device.

        Returns:
            For the last part tokens, (1, B) int64, and with a watch the attention of the last
            positions, (1, B, heads, width) float32.
        """
        slots, starts, lengths = places
        longest = ids.shape[1] if fresh else self._cache.shape[4]
        queries: dict[int, Tensor] = {}
        record = None if watch is None else queries.__setitem__
        rows = PromptRows(slots, starts, lengths, longest, fresh)
        hidden = self._model.prefill(ids, rows, self._cache, record)
        if not last:
            return (hidden,)
        _, any_warpers = all_captured(self._heads.columns, self._stops)
        tokens = self._first_tokens(hidden, places, any_warpers)
        if watch is None:
            return (tokens,)
        each = torch.arange(len(slots), device=slots.device)
        at_end = {layer: q[each, :, lengths - 1] for layer, q in queries.items()}
        attention = self._attention(at_end, slots, starts + lengths - 1, watch)
        return tokens, attention[None]

    def _first_tokens(self, hidden: Tensor, places: Tensor, warpers: Warpers) -> Tensor:
        """Draw the first token of each row after its prompt, (1, B) int64."""
        slots, starts, lengths = places
        rows = self._state.gather(slots)
        rows.length = starts + lengths
        made = self._draw(hidden, rows, warpers)
        self._state.scatter(rows)
        return made[None]


def _watches_several(batch: Prefill) -> bool:
    """Whether a request watches positions of this part other than the prompt's last one."""
    return any(
        request.watch is not None and start + length - int(batch.last) > request.watch.first
        for request, start, length in zip(batch.requests, batch.starts, batch.lengths, strict=True)
    )
