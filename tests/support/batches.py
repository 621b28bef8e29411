"""Runs batches of a scheduler on a runner, without an event loop and threads."""

from collections import deque
from typing import Any

from barkserve.engine.batch import Batch
from barkserve.engine.engine import Runner
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
