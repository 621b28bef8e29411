"""What the model computes in one go: a portion of some prompts, or a burst of decode steps."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from barkserve.engine.request import Request

Integers = NDArray[np.int64]

NO_TOKEN = -1
"""What a row draws after its end."""


@dataclass(frozen=True, eq=False)
class Batch:
    """Requests that run together, in B rows.

    Attributes:
        requests: the requests.
        slots: (B,) their slots. An abort meanwhile clears a request's own `slot`, not this one.
        serials: (B,) their numbers in the Progress of the scheduler.
        first: number of decode steps, of all requests, that were launched before.
    """

    requests: tuple[Request, ...]
    slots: Integers
    serials: Integers
    first: int


@dataclass(frozen=True, eq=False)
class Prefill(Batch):
    """A portion of each request's prompt. The last portion also draws the first token.

    Attributes:
        starts: (B,) positions that each slot holds before.
        lengths: (B,) positions that each row appends.
        last: these are the ends of the prompts.
    """

    starts: Integers
    lengths: Integers
    last: bool


@dataclass(frozen=True, eq=False)
class Burst(Batch):
    """Decode steps that run without the host: each feeds a row's last token and draws the next.

    Attributes:
        steps: number of steps, at least 1.
    """

    steps: int
