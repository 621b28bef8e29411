"""Move the boundaries of phones to where the sound changes.

The teachers' durations are multiples of 25 ms, and the last phone of a sentence includes the
silence behind it. Each half of a phone is a Gaussian over cepstra, learned from the current
boundaries; the most likely boundaries near them replace them (Viterbi training).
"""

from dataclasses import dataclass

import torch

from training.config import PHONES

ROUNDS = 2
REACH = 8  # frames that a boundary may move
LONG_REACH = 40  # the same for the start of a pause
HALVES = 2
FLOOR = 0.02  # of the variances, as a share of the total variance
IMPOSSIBLE = -1e9
BATCH = 64


@dataclass(frozen=True)
class Utterance:
    """Cepstra (frames, n), phones (phones,), and the frame at which each phone ends (phones,)."""

    cepstra: torch.Tensor
    phones: torch.Tensor
    ends: torch.Tensor


def _halves(ends: torch.Tensor) -> torch.Tensor:
    """Return the frames at which each half ends, (2 * phones,)."""
    starts = torch.cat((torch.zeros(1, dtype=ends.dtype), ends[:-1]))
    return torch.stack(((starts + ends) // 2, ends), 1).flatten()


def gaussians(utterances: list[Utterance]) -> tuple[torch.Tensor, torch.Tensor]:
    """Return means and variances of the halves of all phones, (2 * len(PHONES), n) each."""
    states, frames = [], []
    for one in utterances:
        ends = _halves(one.ends)
        halves = (one.phones[:, None] * HALVES + torch.arange(HALVES)).flatten()
        lengths = ends.diff(prepend=torch.zeros(1, dtype=ends.dtype))
        states.append(halves.repeat_interleave(lengths))
        frames.append(one.cepstra[: int(ends[-1])])
    state, points = torch.cat(states), torch.cat(frames)
    count = len(PHONES) * HALVES
    sizes = torch.bincount(state, minlength=count)[:, None] + 1.0
    total = points.var(0)
    means = (
        torch.zeros(count, points.shape[1]).index_add_(0, state, points) + points.mean(0)
    ) / sizes
    spread = torch.zeros_like(means).index_add_(0, state, (points - means[state]).square())
    return means, (spread + 20 * total) / (sizes + 20) + FLOOR * total


def _batch_ends(some: list[Utterance], likelihoods: list[torch.Tensor]) -> list[torch.Tensor]:
    """Return the best end of each phone for utterances, given log-likelihoods (frames, halves)."""
    frames = max(len(part) for part in likelihoods)
    states = max(part.shape[1] for part in likelihoods)
    scores = torch.full((len(some), frames, states), IMPOSSIBLE)
    for row, part in enumerate(likelihoods):
        scores[row, : len(part), : part.shape[1]] = part
    score = torch.full((len(some), states), IMPOSSIBLE)
    score[:, 0] = scores[:, 0, 0]
    moved = torch.zeros(len(some), frames, states, dtype=torch.bool)
    for frame in range(1, frames):
        came = torch.cat((torch.full((len(some), 1), IMPOSSIBLE), score[:, :-1]), 1)
        moved[:, frame] = came > score
        score = torch.maximum(came, score) + scores[:, frame]
        for row, part in enumerate(likelihoods):  # keeps the score of the last frame
            if len(part) == frame + 1:
                scores[row, frame + 1 :] = 0
    result = []
    for row, part in enumerate(likelihoods):
        state, ends = part.shape[1] - 1, [len(part)]
        path = moved[row].numpy()
        for frame in range(len(part) - 1, 0, -1):
            if path[frame, state]:
                ends.append(frame)
                state -= 1
        ends += [ends[-1]] * (part.shape[1] - len(ends))
        result.append(torch.tensor(ends[::-1])[HALVES - 1 :: HALVES])
    return result


def _likelihoods(one: Utterance, means: torch.Tensor, variances: torch.Tensor) -> torch.Tensor:
    """Return the log-likelihood of each frame in each half, impossible far from its place."""
    halves = (one.phones[:, None] * HALVES + torch.arange(HALVES)).flatten()
    precision = 1 / variances[halves]
    mean = means[halves]
    points = one.cepstra
    distance = points.square() @ precision.T - 2 * points @ (precision * mean).T
    distance += (precision * mean.square()).sum(1) + variances[halves].log().sum(1)
    ends = _halves(one.ends)
    starts = torch.cat((torch.zeros(1, dtype=ends.dtype), ends[:-1]))
    pause = (one.phones == 0).repeat_interleave(HALVES)
    before = torch.where(pause, LONG_REACH, REACH)
    at = torch.arange(len(points))[:, None]
    allowed = (at >= starts - before) & (at < ends + REACH)
    return torch.where(allowed, -0.5 * distance, torch.tensor(IMPOSSIBLE))


def moved_ends(
    utterances: list[Utterance], means: torch.Tensor, variances: torch.Tensor
) -> list[torch.Tensor]:
    """Return the frame at which each phone ends, (phones,) for each utterance."""
    result: list[torch.Tensor] = [torch.zeros(0)] * len(utterances)
    order = sorted(range(len(utterances)), key=lambda index: len(utterances[index].cepstra))
    for begin in range(0, len(order), BATCH):
        chosen = order[begin : begin + BATCH]
        some = [utterances[index] for index in chosen]
        ends = _batch_ends(some, [_likelihoods(one, means, variances) for one in some])
        for index, end in zip(chosen, ends, strict=True):
            result[index] = end
    return result


def learned(utterances: list[Utterance]) -> tuple[torch.Tensor, torch.Tensor]:
    """Return means and variances after some rounds of moving the boundaries."""
    for _ in range(ROUNDS):
        models = gaussians(utterances)
        ends = moved_ends(utterances, *models)
        utterances = [
            Utterance(one.cepstra, one.phones, end)
            for one, end in zip(utterances, ends, strict=True)
        ]
    return gaussians(utterances)
