"""Runs bursts of decode steps: one captured graph each, or a loop on a CPU."""

from collections.abc import Callable, Hashable
from functools import partial

import numpy as np
import torch
from torch import Tensor

from barkserve.engine.attention_watch import BatchWatch
from barkserve.engine.batch import Burst, Integers
from barkserve.engine.device_step import DeviceStep
from barkserve.engine.graphs import Graphs, bucket_size, bucket_sizes
from barkserve.engine.limits import CAPTURED_STEPS
from barkserve.engine.request import Request, SamplingParams
from barkserve.engine.row_state import Rows
from barkserve.engine.sampler import Warpers, all_captured
from barkserve.engine.transfer import Staging


class BurstRunner:
    """Runs bursts. Keeps what bursts of the same requests share.

    Args:
        step: the decode step.
        slots: number of slots.
        graphs: bursts are replayed from these; None: no graphs.

    Attributes:
        requests: the requests of the last burst.
        watch: the attention that they watch.
        rows: (B,) where the requests are among the rows of the results.
    """

    def __init__(self, step: DeviceStep, slots: int, graphs: Graphs | None) -> None:
        self._step = step
        self._size = slots
        self._graphs = graphs
        self.requests: tuple[Request, ...] = ()
        self.watch: BatchWatch | None = None
        self.rows: Integers = np.empty(0, dtype=np.int64)
        self._slots = self.rows  # of all rows, with the spare slot in those without a request
        self._warpers = Warpers.for_rows([SamplingParams()])
        self._speculation = step.speculation()

    def set_rows(self, batch: Burst) -> None:
        """Prepare bursts of a batch's requests. Most bursts have the requests of the one before."""
        self.requests = batch.requests
        self.watch = BatchWatch.for_requests(batch.requests)
        self._warpers = Warpers.for_rows(request.sampling for request in batch.requests)
        self.rows, self._slots = np.arange(len(batch.slots)), batch.slots
        if self._step.on_host:
            return
        count = len(batch.slots)
        if self._step.model.attention.ordered:
            self.rows, count = batch.slots, int(batch.slots.max()) + 1
        self._slots = np.full(bucket_size(count, self._size), self._step.spare)
        self._slots[self.rows] = batch.slots

    def launch(
        self, batch: Burst, staging: Staging, proceed: Callable[[], bool]
    ) -> tuple[Tensor, ...]:
        """Run a burst of the requests of `set_rows`.

        Returns:
            Tokens, (steps, rows) int64, and with a watch attention, (steps, rows, heads, width).
        """
        slots = staging.put(self._slots)
        if self._graphs is not None:
            return self._replay(slots, batch.steps, self._warpers, self.watch)
        on_device = slots.to(self._step.device, non_blocking=True)
        return self._run(on_device, batch.steps, self._warpers, self.watch, proceed)

    def capture(self) -> None:
        """Capture bursts of all sizes."""
        for count in bucket_sizes(self._size):
            slots = torch.full((count,), self._step.spare)
            for warpers in all_captured(self._step.heads.columns, self._step.stops):
                for steps in reversed(CAPTURED_STEPS):
                    self._replay(slots, steps, warpers, None)

    def _replay(
        self, slots: Tensor, steps: int, warpers: Warpers, watch: BatchWatch | None
    ) -> tuple[Tensor, ...]:
        assert self._graphs is not None
        step = self._step
        warpers = warpers.captured(step.heads.columns, step.stops)
        watch = step.captured_watch(watch)
        run = partial(self._run, steps=steps, warpers=warpers, watch=watch)
        key: Hashable = ("burst", len(slots), steps, warpers, watch)
        return self._graphs.run(key, (slots,), run, lambda: (torch.full_like(slots, step.spare),))

    def _run(
        self,
        slots: Tensor,
        steps: int,
        warpers: Warpers,
        watch: BatchWatch | None,
        proceed: Callable[[], bool] = lambda: True,
    ) -> tuple[Tensor, ...]:
        """Run a burst on the device. Speculation can add some steps."""
        step = self._step
        rows = step.state.gather(slots)
        made = self._advance(rows, warpers, watch)
        while len(made) < steps and not (step.on_host and _ends(rows, proceed)):
            made += self._advance(rows, warpers, watch)
        step.state.scatter(rows)
        return tuple(torch.stack(each) for each in zip(*made, strict=True))

    def _advance(
        self, rows: Rows, warpers: Warpers, watch: BatchWatch | None
    ) -> list[tuple[Tensor, ...]]:
        """Draw the next token of each row, or the next ones of a single row."""
        if self._speculation is not None and self._speculation.fits(rows):
            return self._speculation.draw(rows, warpers, watch)
        return [self._step.decode(rows, warpers, watch)]


def _ends(rows: Rows, proceed: Callable[[], bool]) -> bool:
    """Whether a burst on a CPU ends before its last step."""
    return not proceed() or not rows.running.all()
