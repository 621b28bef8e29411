"""Compares logits and samples of two models that got the same input."""

from dataclasses import asdict, dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from barkserve.engine.sampler import draw

TEMPERATURE = 0.7


@dataclass(frozen=True)
class Agreement:
    """How close logits are to exact ones.

    Attributes:
        largest: largest difference of a logit.
        relative: root mean square of the differences, relative to the spread of the exact logits.
        divergence: mean Kullback-Leibler divergence from the exact distribution, nats.
        greedy: share of positions with the same most likely token.
        sampled: share of positions with the same draw, at temperature 0.7 and the same uniforms.
    """

    largest: float
    relative: float
    divergence: float
    greedy: float
    sampled: float

    @classmethod
    def of(cls, exact: Tensor, near: Tensor) -> "Agreement":
        """Compare (N, V) float32 logits."""
        difference = near - exact
        log_exact, log_near = (functional.log_softmax(each, dim=-1) for each in (exact, near))
        divergence = (log_exact.exp() * (log_exact - log_near)).sum(dim=-1)
        uniforms = np.random.default_rng(3).random((len(exact), 1), dtype=np.float32)
        same = [
            _share(choose(exact), choose(near))
            for choose in (_most_likely, lambda each: _drawn(each, torch.from_numpy(uniforms)))
        ]
        return cls(
            largest=float(difference.abs().max()),
            relative=float(difference.square().mean().sqrt() / exact.std()),
            divergence=float(divergence.mean()),
            greedy=same[0],
            sampled=same[1],
        )

    def row(self) -> dict[str, float]:
        """The values for a report."""
        return {name: float(f"{value:.3g}") for name, value in asdict(self).items()}


def signal_to_noise(exact: NDArray[np.float32], near: NDArray[np.float32]) -> float:
    """Return the power of the exact samples relative to that of the difference, dB."""
    noise = np.mean((near.astype(np.float64) - exact) ** 2)
    return float(10 * np.log10(np.mean(exact.astype(np.float64) ** 2) / noise))


def _most_likely(logits: Tensor) -> Tensor:
    return logits.argmax(dim=-1)


def _drawn(logits: Tensor, uniforms: Tensor) -> Tensor:
    return draw(functional.softmax(logits / TEMPERATURE, dim=-1), uniforms)


def _share(one: Tensor, other: Tensor) -> float:
    return float((one == other).float().mean())
