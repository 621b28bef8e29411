"""Runs a causal model over batches: prompts in, bursts of drawn tokens out.

A batch is launched and collected later. On CUDA each is one captured graph, and two batches are in
flight: the next is launched before the tokens of the last one are read. The work of the host grows
neither with the steps of a burst nor with its rows.

A CPU runs the same functions in a loop. There a batch has ended when `launch` returns, and a burst
ends early when a row ends or when the engine asks for it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from barkserve.engine.attention_watch import BatchWatch
from barkserve.engine.batch import NO_TOKEN, Batch, Burst, Integers, Prefill
from barkserve.engine.burst_runner import BurstRunner
from barkserve.engine.device_step import DeviceStep
from barkserve.engine.graphs import Graphs, garbage_collection_paused
from barkserve.engine.limits import CAPTURED_STEPS, PROMPT_ROWS, Limits
from barkserve.engine.offload import Offload
from barkserve.engine.prompt_runner import PromptRunner
from barkserve.engine.request import Request
from barkserve.engine.transfer import HostStaging, PinnedStaging, Staging
from barkserve.models.causal import CausalModel
from barkserve.models.device import DeviceCapabilities
from barkserve.models.memory import memory_report

_IN_FLIGHT = 2


@dataclass(frozen=True)
class Flight:
    """A batch that was launched."""

    batch: Batch
    staging: Staging
    watch: BatchWatch | None
    rows: Integers  # where the requests are among the rows of the results


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
        heads: Sequence[Integers],
        slots: int,
        graphs: Graphs | None = None,
        prompt_positions: int = 1,
    ) -> None:
        capabilities = DeviceCapabilities.of(model.lm_head.weight.device)
        on_host = capabilities.is_host and graphs is None
        self._graphs = graphs
        self._step = DeviceStep(model, heads, slots, on_host)
        self._bursts = BurstRunner(self._step, slots, graphs)
        self._prompts = PromptRunner(self._step, slots, graphs)
        self._owners: list[Request | None] = [None] * slots  # whose rows are uploaded
        in_flight = 1 if on_host else _IN_FLIGHT
        self._stagings = [
            _pinned_staging(self._step, slots) if capabilities.pins_memory else HostStaging()
            for _ in range(in_flight)
        ]
        self._launched = 0
        together = not model.plan.deterministic
        if graphs is None:
            self.limits = Limits(slots, in_flight, None, prompt_positions if together else 1)
        else:
            self.limits = Limits.captured(slots, in_flight, prompts_together=together)

    @property
    def memory(self) -> str:
        """Memory of the model, the cache and the graphs, for the log."""
        report = memory_report(self._step.model, self._step.cache)
        return report if self._graphs is None else f"{report}, {self._graphs.report}"

    def offload(self) -> Offload:
        """Make the object that moves the model and the cache to host memory and back."""
        modules = (self._step.model, *self._step.heads.modules)
        weights = (weight for module in modules for weight in module.parameters())
        return Offload(weights, [self._step.cache], self._graphs.clear if self._graphs else None)

    @torch.inference_mode()
    def capture(self, ids_per_position: int) -> None:
        """Capture bursts and prefills of all sizes, if there are graphs.

        Done before the first stream, which would otherwise wait for it.
        """
        if self._graphs is not None:
            with garbage_collection_paused():
                self._bursts.capture()
                self._prompts.capture(ids_per_position)

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
            if batch.requests is not self._bursts.requests:
                self._upload(batch, staging)
                self._bursts.set_rows(batch)
            staging.read(self._bursts.launch(batch, staging, proceed))
            return Flight(batch, staging, self._bursts.watch, self._bursts.rows)
        assert isinstance(batch, Prefill)
        self._upload(batch, staging)
        watch = BatchWatch.for_requests(batch.requests)
        results, watch = self._prompts.launch(batch, staging, watch)
        staging.read(results)
        return Flight(batch, staging, watch, np.arange(len(batch.requests)))

    def collect(self, flight: Flight) -> Integers:
        """Wait for a batch.

        The attention of watched requests is appended to them.

        Returns:
            (steps, B) the tokens that each request drew, and NO_TOKEN after its last one. No step
            for a prefill that is not the last.
        """
        results = flight.staging.wait()
        if not results:
            return np.empty((0, len(flight.rows)), dtype=np.int64)
        drawn: Integers = results[0][:, flight.rows]
        if flight.watch is not None and len(results) > 1:
            counts = np.count_nonzero(drawn != NO_TOKEN, axis=0).tolist()
            for request, row, count in zip(flight.batch.requests, flight.rows, counts, strict=True):
                if request.watch is not None and count:
                    watched = flight.watch.select(results[1][:count, row], request.watch)
                    request.attention.append(watched)
        return drawn

    @torch.inference_mode()
    def logits(self, batch: Prefill) -> Tensor:
        """Append to the slots as a prefill does; return the logits instead of drawing.

        Returns:
            (B, V) float32, of each request's first head.
        """
        return self._prompts.logits(batch)

    def _upload(self, batch: Batch, staging: Staging) -> None:
        """Upload the rows of requests that are new in their slots."""
        fresh = [
            (request, slot)
            for request, slot in zip(batch.requests, batch.slots.tolist(), strict=True)
            if self._owners[slot] is not request
        ]
        if not fresh:
            return
        requests, slots = zip(*fresh, strict=True)
        step = self._step
        stops = [step.heads.column_of(request.stop_token) for request in requests]
        rows = step.state.pack(requests, slots, stops)
        arrays = (rows.slots, rows.integers, rows.floats, rows.uniforms)
        step.state.load(*(staging.put(each).to(step.device, non_blocking=True) for each in arrays))
        for request, slot in fresh:
            self._owners[slot] = request


def _pinned_staging(step: DeviceStep, slots: int) -> Staging:
    rows, positions = slots + 1, step.model.config.block_size
    watched = CAPTURED_STEPS[-1] * rows * positions * 4
    prompts = PROMPT_ROWS * positions * 2 * 8
    return PinnedStaging(watched + prompts + rows * (positions * 4 + 256))
