"""Chooses one token per row from a batch of logits, on the device, without host synchronization.

The warpers and their order are those of transformers (min_eos_p, temperature, top-k, top-p). A
token is drawn by inverting the cumulative distribution at a given uniform number, so it can be
replayed.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from barkserve.engine.request import SamplingParams
from barkserve.kernels.toolchain import triton_problem
from barkserve.models.device import DeviceCapabilities

NO_MIN_EOS_P = 2.0
"""A probability that is never exceeded."""

CAPTURED_TOP_K = 64
"""Captured graphs choose among this many best tokens, or sort all of them."""


@dataclass(frozen=True)
class Warpers:
    """What any row of a batch needs. Only that is computed.

    Attributes:
        drawn: some rows draw.
        greedy: some rows are greedy.
        largest_k: the largest top_k; 0: no row has one.
        top_p: some rows have one below 1.
        min_eos_p: some rows have one.
    """

    drawn: bool
    greedy: bool
    largest_k: int
    top_p: bool
    min_eos_p: bool

    @classmethod
    def for_rows(cls, rows: Iterable[SamplingParams]) -> "Warpers":
        """Find out what these rows need."""
        each = tuple(rows)
        return cls(
            drawn=not all(row.greedy for row in each),
            greedy=any(row.greedy for row in each),
            largest_k=max(row.top_k for row in each),
            top_p=any(row.top_p < 1.0 for row in each),
            min_eos_p=any(row.min_eos_p is not None for row in each),
        )

    def captured(self, columns: int, stops: bool) -> "Warpers":
        """Return the one of `all_captured` that serves these rows."""
        return all_captured(columns, stops)[self.top_p or self.largest_k > CAPTURED_TOP_K]


def all_captured(columns: int, stops: bool) -> tuple[Warpers, Warpers]:
    """Return the warpers of captured graphs: for usual sampling, and for any.

    Args:
        columns: number of tokens to choose from.
        stops: whether requests have a stop token.
    """
    usual = Warpers(True, True, min(CAPTURED_TOP_K, columns), top_p=False, min_eos_p=stops)
    return usual, Warpers(True, True, columns, top_p=True, min_eos_p=stops)


@dataclass(frozen=True)
class RowSampling:
    """Sampling parameters of B rows on the device, each (B, 1).

    Attributes:
        temperature: float32.
        greedy: bool.
        top_k: int64.
        top_p: float32.
        min_eos_p: float32, NO_MIN_EOS_P if unset.
        stop: int64, column of the stop token.
    """

    temperature: Tensor
    greedy: Tensor
    top_k: Tensor
    top_p: Tensor
    min_eos_p: Tensor
    stop: Tensor


def sample(logits: Tensor, uniforms: Tensor, rows: RowSampling, warpers: Warpers) -> Tensor:
    """Choose one column per row.

    Args:
        logits: (B, V) float32, of the tokens to choose from.
        uniforms: (B, 1) float32 in [0, 1).
        rows: how each row chooses.
        warpers: what any of these rows needs.

    Returns:
        (B,) int64 columns.
    """
    if warpers.min_eos_p:
        logits = prioritize_stop(logits, rows.min_eos_p, rows.stop)
    if not warpers.drawn:
        return logits.argmax(dim=-1)
    scores = logits / rows.temperature
    if warpers.largest_k > 0:
        scores = keep_top_k(scores, rows.top_k, warpers.largest_k)
    if warpers.top_p:
        scores = keep_top_p(scores, rows.top_p)
    drawn = draw(functional.softmax(scores, dim=-1), uniforms)
    if not warpers.greedy:
        return drawn
    return torch.where(rows.greedy[:, 0], logits.argmax(dim=-1), drawn)


def prioritize_stop(logits: Tensor, min_eos_p: Tensor, stop: Tensor) -> Tensor:
    """Keep only the stop token in rows where its probability exceeds min_eos_p.

    Source: transformers BarkEosPrioritizerLogitsProcessor.

    Args:
        logits: (B, V) float32.
        min_eos_p: (B, 1) float32.
        stop: (B, 1) int64, column of the stop token.
    """
    probability = functional.softmax(logits, dim=-1).gather(1, stop)
    only_stop = torch.full_like(logits, -torch.inf).scatter(1, stop, logits.gather(1, stop))
    return torch.where(probability > min_eos_p, only_stop, logits)


def keep_top_k(scores: Tensor, top_k: Tensor, largest_k: int) -> Tensor:
    """Drop scores below the k-th best of each row; k = 0 (B, 1) keeps all.

    Source: transformers TopKLogitsWarper.
    """
    largest_k = min(largest_k, scores.shape[-1])
    best = scores.topk(largest_k, dim=-1).values  # (B, largest_k), descending
    threshold = best.gather(1, (top_k - 1).clamp(min=0, max=largest_k - 1))
    return scores.masked_fill((scores < threshold) & (top_k > 0), -torch.inf)


def keep_top_p(scores: Tensor, top_p: Tensor) -> Tensor:
    """Drop the least likely tokens whose probabilities sum to at most 1 - top_p (B, 1).

    Source: transformers TopPLogitsWarper.
    """
    ordered, order = scores.sort(dim=-1, descending=False)
    tail = add_up(functional.softmax(ordered, dim=-1)) <= 1.0 - top_p
    tail[:, -1] = False
    drop = torch.zeros_like(tail).scatter(1, order, tail)
    return scores.masked_fill(drop & (top_p < 1.0), -torch.inf)


def draw(probabilities: Tensor, uniforms: Tensor) -> Tensor:
    """Return the first column at which the cumulative probability exceeds the uniform number.

    Args:
        probabilities: (..., V) float32, summing to about 1.
        uniforms: (..., 1) float32 in [0, 1).

    Returns:
        (...) int64 columns, never one with probability 0.
    """
    cumulative = add_up(probabilities)
    total = cumulative[..., -1:]
    limit = total.nextafter(torch.zeros_like(total))  # rounding must not reach the very end
    target = torch.minimum(uniforms * total, limit)
    return torch.searchsorted(cumulative, target.contiguous(), right=True).squeeze(-1)


def add_up(values: Tensor) -> Tensor:
    """Compute the cumulative sums of each row, (..., V), in an order that all batches share.

    torch.cumsum has that order on a CPU. On CUDA it depends on the number of rows.
    """
    if not DeviceCapabilities.of(values.device).runs_triton or triton_problem():
        return values.cumsum(dim=-1)
    from barkserve.kernels.cumulative_sums import cumulative_sums

    return cumulative_sums(values.reshape(-1, values.shape[-1])).view(values.shape)
