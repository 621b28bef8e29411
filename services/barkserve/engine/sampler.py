"""Chooses one token per row from a batch of logits, on the device, without host synchronization.

The warpers and their order are those of transformers (min_eos_p, temperature, top-k, top-p). A
token is drawn by inverting the cumulative distribution at a given uniform number, so it can be
replayed.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from barkserve.engine.request import SamplingParams


@dataclass(frozen=True)
class SamplingBatch:
    """Sampling parameters of B rows as (B, 1) tensors, and which warpers any row needs."""

    temperature: Tensor
    greedy: Tensor
    top_k: Tensor
    top_p: Tensor
    min_eos_p: Tensor  # 2.0 if unset: never exceeded
    uniforms: Tensor
    all_greedy: bool
    largest_k: int
    any_top_p: bool
    any_min_eos_p: bool

    @classmethod
    def from_params(
        cls, rows: Sequence[SamplingParams], uniforms: Sequence[float], device: torch.device
    ) -> "SamplingBatch":
        """Gather the rows' parameters in one transfer to the device."""
        table = torch.tensor(
            [
                (
                    row.temperature,
                    float(row.greedy),
                    float(row.top_k),
                    row.top_p,
                    2.0 if row.min_eos_p is None else row.min_eos_p,
                    uniform,
                )
                for row, uniform in zip(rows, uniforms, strict=True)
            ],
            dtype=torch.float32,
            pin_memory=device.type == "cuda",
        ).to(device, non_blocking=True)
        temperature, greedy, top_k, top_p, min_eos_p, draws = table.T.unsqueeze(-1)
        return cls(
            temperature=temperature,
            greedy=greedy.bool(),
            top_k=top_k.long(),
            top_p=top_p,
            min_eos_p=min_eos_p,
            uniforms=draws,
            all_greedy=all(row.greedy for row in rows),
            largest_k=max(row.top_k for row in rows),
            any_top_p=any(row.top_p < 1.0 for row in rows),
            any_min_eos_p=any(row.min_eos_p is not None for row in rows),
        )


def sample(logits: Tensor, params: SamplingBatch, stop_index: int | None) -> Tensor:
    """Choose one column per row.

    Args:
        logits: (B, V) float32, of the tokens to choose from.
        params: how each row chooses.
        stop_index: column of the stop token, for min_eos_p; None: no stop token.

    Returns:
        (B,) int64 columns.
    """
    if params.any_min_eos_p and stop_index is not None:
        logits = prioritize_stop(logits, params.min_eos_p, stop_index)
    best = logits.argmax(dim=-1)
    if params.all_greedy:
        return best
    scores = logits / params.temperature
    if params.largest_k > 0:
        scores = keep_top_k(scores, params.top_k, params.largest_k)
    if params.any_top_p:
        scores = keep_top_p(scores, params.top_p)
    drawn = draw(functional.softmax(scores, dim=-1), params.uniforms)
    return torch.where(params.greedy[:, 0], best, drawn)


def prioritize_stop(logits: Tensor, min_eos_p: Tensor, stop_index: int) -> Tensor:
    """Keep only the stop token in rows where its probability exceeds min_eos_p (B, 1).

    Source: transformers BarkEosPrioritizerLogitsProcessor.
    """
    probability = functional.softmax(logits, dim=-1)[:, stop_index, None]
    only_stop = torch.full_like(logits, -torch.inf)
    only_stop[:, stop_index] = logits[:, stop_index]
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
    tail = functional.softmax(ordered, dim=-1).cumsum(dim=-1) <= 1.0 - top_p
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
    cumulative = probabilities.cumsum(dim=-1)
    total = cumulative[..., -1:]
    limit = total.nextafter(torch.zeros_like(total))  # rounding must not reach the very end
    target = torch.minimum(uniforms * total, limit)
    return torch.searchsorted(cumulative, target.contiguous(), right=True).squeeze(-1)
