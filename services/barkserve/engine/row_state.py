"""The state of the request in each slot, on the device: all that a decode step reads and writes.

The host uploads a request's row when its prompt starts. From then on only the device reads and
writes it. So the host needs no token to start the next step.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from barkserve.engine.batch import NO_TOKEN
from barkserve.engine.request import Request
from barkserve.engine.sampler import NO_MIN_EOS_P, RowSampling

_CHANGING = 4  # the first integers: token, length, drawn, running
_HEADS = 7
_INTEGERS = 11
_FLOATS = 3


@dataclass
class Rows:
    """The state of B rows while they run. A step replaces its first attributes.

    Attributes:
        slots: (B,) int64. Rows without a request have the spare slot.
        token: (B,) int64, the last token.
        length: (B,) int64, positions in the slot.
        drawn: (B,) int64, number of drawn tokens.
        running: (B,) int64, 1 until the last token or the stop token is drawn, then 0.
        limit: (B,) int64, most tokens.
        stop: (B,) int64, the stop token, or NO_TOKEN.
        first_head: (B,) int64, the head of the first token.
        heads: (B,) int64, number of heads that take turns.
        sampling: how each row chooses.
    """

    slots: Tensor
    token: Tensor
    length: Tensor
    drawn: Tensor
    running: Tensor
    limit: Tensor
    stop: Tensor
    first_head: Tensor
    heads: Tensor
    sampling: RowSampling

    def next_draws(self, count: int) -> "Rows":
        """Return `count` rows: the state of the only row before each of its next draws.

        Only what a draw reads is meaningful.
        """
        drawn = self.drawn + torch.arange(count, device=self.drawn.device)
        each = {
            field.name: getattr(self.sampling, field.name).expand(count, -1)
            for field in fields(self.sampling)
        }
        return replace(
            self,
            slots=self.slots.expand(count),
            drawn=drawn,
            first_head=self.first_head.expand(count),
            heads=self.heads.expand(count),
            sampling=RowSampling(**each),
        )

    def record(self, token: Tensor) -> Tensor:
        """Count a drawn token, (B,) int64. Returns it, and NO_TOKEN for rows that had ended."""
        made = torch.where(self.running > 0, token, NO_TOKEN)
        self.token = token
        self.drawn = self.drawn + self.running
        self.running = self.running * (token != self.stop) * (self.drawn < self.limit)
        return made


@dataclass(frozen=True)
class RowUpload:
    """The rows of some requests on the host, each with one column or row per request."""

    slots: NDArray[np.int64]  # (n,)
    integers: NDArray[np.int64]  # (_INTEGERS, n)
    floats: NDArray[np.float32]  # (_FLOATS, n)
    uniforms: NDArray[np.float32]  # (n, draws + 1)


class RowState:
    """The rows of all slots and of the spare slot, which never runs.

    Args:
        slots: number of slots.
        draws: most tokens of a request.
        device: where the rows are.
    """

    def __init__(self, slots: int, draws: int, device: torch.device) -> None:
        self._stride = draws + 1  # a row that has ended may ask for one more
        self._integers = torch.zeros((_INTEGERS, slots + 1), dtype=torch.int64, device=device)
        self._integers[_HEADS] = 1  # a divisor
        self._floats = torch.ones((_FLOATS, slots + 1), device=device)
        self._uniforms = torch.zeros((slots + 1, self._stride), device=device)

    def pack(
        self, requests: Sequence[Request], slots: Sequence[int], stop_columns: Sequence[int]
    ) -> RowUpload:
        """Make the rows of requests that start in these slots.

        Args:
            requests: n requests.
            slots: their slots.
            stop_columns: the column of each one's stop token, 0 without one.
        """
        rows = map(_integers_of, requests, stop_columns)
        integers = np.array(list(rows), dtype=np.int64)
        floats = np.array([_floats_of(request) for request in requests], dtype=np.float32)
        uniforms = np.zeros((len(requests), self._stride), dtype=np.float32)
        for row, request in enumerate(requests):
            uniforms[row, : len(request.uniforms)] = request.uniforms
        return RowUpload(np.array(slots, dtype=np.int64), integers.T, floats.T, uniforms)

    def load(self, slots: Tensor, integers: Tensor, floats: Tensor, uniforms: Tensor) -> None:
        """Store the parts of a RowUpload, already on the device."""
        self._integers.index_copy_(1, slots, integers)
        self._floats.index_copy_(1, slots, floats)
        self._uniforms.index_copy_(0, slots, uniforms)

    def gather(self, slots: Tensor) -> Rows:
        """Copy the rows of some slots, (B,) int64."""
        integers = self._integers.index_select(1, slots)
        floats = self._floats.index_select(1, slots)[:, :, None]
        token, length, drawn, running, limit, stop, first, heads, *choice = integers.unbind()
        stop_column, top_k, greedy = (each[:, None] for each in choice)
        sampling = RowSampling(
            temperature=floats[0],
            greedy=greedy > 0,
            top_k=top_k,
            top_p=floats[1],
            min_eos_p=floats[2],
            stop=stop_column,
        )
        return Rows(
            slots, token, length, drawn, running, limit, stop, first, heads, sampling=sampling
        )

    def scatter(self, rows: Rows) -> None:
        """Store what a burst has changed."""
        changed = torch.stack([rows.token, rows.length, rows.drawn, rows.running])
        self._integers[:_CHANGING].index_copy_(1, rows.slots, changed)

    def uniform(self, rows: Rows) -> Tensor:
        """(B, 1) float32: the random number of each row's next token."""
        return self._uniforms.view(-1).take(rows.slots * self._stride + rows.drawn)[:, None]


def _integers_of(request: Request, stop_column: int) -> tuple[int, ...]:
    sampling = request.sampling
    stop = NO_TOKEN if request.stop_token is None else request.stop_token
    return (
        int(request.prompt[-1, 0]),
        len(request.prompt) - 1,
        0,
        1,
        request.max_tokens,
        stop,
        request.heads.start,
        len(request.heads),
        stop_column,
        sampling.top_k,
        int(sampling.greedy),
    )


def _floats_of(request: Request) -> tuple[float, ...]:
    sampling = request.sampling
    min_eos_p = NO_MIN_EOS_P if sampling.min_eos_p is None else sampling.min_eos_p
    return (sampling.temperature, sampling.top_p, min_eos_p)
