"""Structured initial weights: time as sinusoids, attention heads as time differences.

The architecture is Bark's. Embeddings get named slices of the width. Some heads start as "the
semantic token spoken now", "a little ahead" or "the previous code". Output rows start as the
vectors of their codes. With random weights the coarse model needs hours longer.
"""

import math
from dataclasses import dataclass

import torch

from training.models.transformer import Attention, CausalTransformer


class Slices:
    """The slices of the 192 dimensions."""

    acoustic = slice(0, 24)
    clock = slice(24, 64)
    time = slice(64, 124)
    order = slice(124, 154)
    key_flag = 154  # +1 on tokens that heads attend to (semantic, text)
    other_flag = 155  # +1 on the other tokens
    identity = slice(156, 192)


@dataclass(frozen=True)
class Look:
    """A head that attends at a fixed distance."""

    layer: int
    head: int
    offset: float
    sharpness: float = 1.0


def circles(at: torch.Tensor, dimensions: int, shortest: float, longest: float) -> torch.Tensor:
    """Return sinusoids of `at`, (len(at), dimensions), with periods from shortest to longest."""
    periods = torch.logspace(math.log10(shortest), math.log10(longest), dimensions // 2)
    angle = 2 * torch.pi * at[:, None] / periods
    return torch.stack((angle.cos(), angle.sin()), 2).flatten(1)


def _rotation(dimensions: int, shortest: float, longest: float, offset: float) -> torch.Tensor:
    """Return the matrix that maps circles(t) to circles(t + offset)."""
    cosine, sine = circles(torch.tensor([offset]), dimensions, shortest, longest).view(-1, 2).T
    matrix = torch.zeros(dimensions, dimensions)
    even = torch.arange(0, dimensions, 2)
    matrix[even, even], matrix[even, even + 1] = cosine, -sine
    matrix[even + 1, even], matrix[even + 1, even + 1] = sine, cosine
    return matrix


def _head(attention: Attention, head: int) -> tuple[torch.Tensor, ...]:
    """Return views of one head: query, key, value (64, width) and output (width, 64)."""
    width = attention.out_proj.weight.shape[0]
    size = width // attention.heads
    rows = slice(head * size, (head + 1) * size)
    query, key, value = (part[rows] for part in torch.split(attention.att_proj.weight.data, width))
    return query, key, value, attention.out_proj.weight.data[:, rows]


def look_in_time(
    model: CausalTransformer, look: Look, shortest: float, longest: float, copies: bool
) -> torch.Tensor:
    """Make a head attend `offset` later in time, among semantic or text tokens.

    Returns:
        The matrix, (identity, identity), that the head multiplies identities with.
    """
    at = Slices()
    layer = model.layers[look.layer]
    query, key, value, output = _head(layer.attn, look.head)  # type: ignore[arg-type]
    count = at.time.stop - at.time.start
    query.zero_(), key.zero_()
    query[:count, at.time] = look.sharpness * _rotation(count, shortest, longest, look.offset)
    key[:count, at.time] = torch.eye(count)
    query[count, at.other_flag] = 4.0
    key[count, at.key_flag] = 4.0
    names = at.identity.stop - at.identity.start
    value.normal_(std=0.02)
    value[:24, at.acoustic] += 0.5 * torch.eye(24)
    value[24 : 24 + names, at.identity] += 0.5 * torch.eye(names)
    output.normal_(std=0.02)
    if copies:
        output[at.acoustic, :24] += torch.eye(24)
    mixed = torch.nn.init.orthogonal_(torch.empty(names, names))
    output[at.identity, 24 : 24 + names] += mixed
    return mixed


def look_before(
    model: CausalTransformer, look: Look, shortest: float, longest: float, mixed: bool = False
) -> None:
    """Make a head copy the previous token: spectrum and clock, or a mix of both if `mixed`."""
    at = Slices()
    query, key, value, output = _head(model.layers[look.layer].attn, look.head)  # type: ignore[arg-type]
    count = at.order.stop - at.order.start
    query.zero_(), key.zero_(), value.zero_(), output.zero_()
    query[:count, at.order] = look.sharpness * _rotation(count, shortest, longest, look.offset)
    key[:count, at.order] = torch.eye(count)
    query[count, at.other_flag] = 4.0
    key[count, at.other_flag] = 4.0
    copied = at.clock.stop
    value[:copied, :copied] = 0.5 * torch.eye(copied)
    if mixed:
        output[at.identity, at.clock] = torch.nn.init.orthogonal_(output[at.identity, at.clock])
    else:
        output[:copied, :copied] = torch.eye(copied)
