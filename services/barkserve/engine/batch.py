"""What the model computes in one go: a part of some prompts, or a burst of decode steps."""

from collections.abc import Iterable
from dataclasses import dataclass

from barkserve.engine.request import Request


@dataclass(frozen=True)
class Batch:
    """Requests that run together.

    Attributes:
        requests: the requests.
        slots: their slots. An abort meanwhile clears a request's own `slot`, not this one.
        draws: how many tokens each draws, unless it ends before.
    """

    requests: tuple[Request, ...]
    slots: tuple[int, ...]
    draws: tuple[int, ...]


@dataclass(frozen=True)
class Prefill(Batch):
    """A part of each request's prompt. The last part also draws the first token.

    Attributes:
        starts: positions that each slot holds before.
        lengths: positions that each row appends.
        last: these are the ends of the prompts.
    """

    starts: tuple[int, ...]
    lengths: tuple[int, ...]
    last: bool

    @classmethod
    def launch(cls, requests: Iterable[Request], portion: int) -> "Prefill":
        """Plan the next part of some prompts and count it as launched.

        Args:
            requests: have a slot, and all or none of them end within the portion.
            portion: most positions per row.
        """
        rows = tuple(requests)
        starts = tuple(request.computed for request in rows)
        lengths = tuple(min(portion, len(request.prompt) - request.computed) for request in rows)
        last = rows[0].computed + lengths[0] == len(rows[0].prompt)
        for request, length in zip(rows, lengths, strict=True):
            request.computed += length
            request.launched = int(last)
        return cls(rows, _slots(rows), (int(last),) * len(rows), starts, lengths, last)


@dataclass(frozen=True)
class Burst(Batch):
    """Decode steps that run without the host: each feeds a row's last token and draws the next.

    Attributes:
        steps: number of steps, at least 1.
    """

    steps: int

    @classmethod
    def launch(cls, requests: Iterable[Request], steps: int) -> "Burst":
        """Plan a burst and count its draws as launched. The requests have a slot."""
        rows = tuple(requests)
        draws = tuple(min(steps, request.draws_left) for request in rows)
        for request, planned in zip(rows, draws, strict=True):
            request.launched += planned
        return cls(rows, _slots(rows), draws, steps)


def _slots(requests: tuple[Request, ...]) -> tuple[int, ...]:
    slots = tuple(request.slot for request in requests if request.slot is not None)
    assert len(slots) == len(requests)
    return slots
