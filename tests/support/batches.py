"""Runs batches of a scheduler on a runner, without an event loop and threads."""

from collections import deque
from collections.abc import Sequence
from typing import Any

import numpy as np

from barkserve.engine.batch import NO_TOKEN, Batch, Burst, Integers, Prefill
from barkserve.engine.engine import Runner
from barkserve.engine.progress import Progress
from barkserve.engine.request import Request
from barkserve.engine.scheduler import Scheduler


def run_batches(scheduler: Scheduler, runner: Runner, count: int | None = None) -> None:
    """Launch a number of batches, with as many in flight as the runner wants, and collect them.

    Args:
        scheduler: plans them.
        runner: computes them.
        count: how many; None: until nothing is left to do.
    """
    flights = deque[tuple[Batch, Any]]()
    launched = 0
    while True:
        batch = scheduler.next_batch() if launched != count else None
        if batch is None and not flights:
            return
        if batch is not None:
            launched += 1
            flights.append((batch, runner.launch(batch, lambda: True)))
            if len(flights) < runner.limits.in_flight:
                continue
        ended, flight = flights.popleft()
        scheduler.finish_batch(ended, runner.collect(flight), 0.0)


class Planner:
    """Plans batches of chosen requests, one per slot, without a scheduler's policy.

    Args:
        requests: their slots are 0, 1, 2, ..., if not set.
    """

    def __init__(self, requests: Sequence[Request]) -> None:
        for number, request in enumerate(requests):
            request.slot = number if request.slot is None else request.slot
        self._requests = requests
        self._progress = Progress(1 + max(map(_slot, requests)))
        for request in requests:
            self._progress.start(request, _slot(request))

    def prefill(self, portion: int = 1 << 20, rows: int | None = None) -> Prefill:
        """Plan the next portion of the prompts of the first requests that miss positions."""
        missing = [request for request in self._requests if request.missing]
        return self._progress.launch_prefill(missing[:rows], portion)

    def burst(self, steps: int, rows: int | None = None) -> Burst:
        """Plan a burst of the first requests, without those that have launched all draws."""
        slots = np.array([_slot(request) for request in self._requests[:rows]], dtype=np.int64)
        decoding = self._progress.decoding()
        return self._progress.launch_burst(slots[np.isin(slots, decoding)], steps)

    @property
    def decoding(self) -> bool:
        """Whether draws are left after the prompts."""
        return len(self._progress.decoding()) > 0


def _slot(request: Request) -> int:
    assert request.slot is not None
    return request.slot


def draws_of(batch: Batch) -> list[int]:
    """Return how many tokens each request of a batch draws, unless it ends before.

    Every token before must have been reported, and the request must not be in another batch.
    """
    if isinstance(batch, Prefill):
        return [int(batch.last)] * len(batch.requests)
    assert isinstance(batch, Burst)
    left = (request.max_tokens - len(request.tokens) for request in batch.requests)
    return [min(batch.steps, each) for each in left]


def as_drawn(tokens: Sequence[Sequence[int]], steps: int | None = None) -> Integers:
    """Make the (steps, B) array that a runner returns from the tokens of each row.

    Args:
        tokens: of each row.
        steps: of the batch; None: as many as the longest row has tokens.
    """
    longest = max(map(len, tokens), default=0)
    drawn = np.full((longest if steps is None else steps, len(tokens)), NO_TOKEN)
    for row, each in enumerate(tokens):
        drawn[: len(each), row] = each
    return drawn


def token_lists(drawn: Integers) -> list[list[int]]:
    """Make the tokens of each row from the array that a runner returns."""
    return [[token for token in row if token != NO_TOKEN] for row in drawn.T.tolist()]
