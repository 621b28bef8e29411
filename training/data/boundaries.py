"""Divide phones into states of even sound, as the hidden Markov models of speech recognizers do.

The teachers' durations are multiples of 25 ms, and the last phone of a sentence includes the
silence behind it. Each of the three states of a phone is a Gaussian over cepstra, learned from the
current boundaries; the most likely boundaries near them replace them (Viterbi training). The
middle state of a short phone can be empty.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as functional

from training.config import PHONES, STATES

ROUNDS = 3
REACH = 8  # frames that a boundary may move
LONG_REACH = 40  # the same for the start of a pause
PRIOR_FRAMES = 20  # of the total variance, in the estimate of each variance
FLOOR = 0.02  # of the variances, as a share of the total variance
IMPOSSIBLE = -1e9
BATCH = 64


@dataclass(frozen=True)
class Utterance:
    """Cepstra (frames, n), phones (phones,), and the frame at which each phone ends (phones,)."""

    cepstra: torch.Tensor
    phones: torch.Tensor
    ends: torch.Tensor

    @property
    def states(self) -> torch.Tensor:
        """The index of each state of each phone, (STATES * phones,)."""
        return (self.phones[:, None] * STATES + torch.arange(STATES)).flatten()


def _thirds(ends: torch.Tensor) -> torch.Tensor:
    """Return the frames at which each third of a phone ends, (STATES * phones,)."""
    starts = torch.cat((torch.zeros(1, dtype=ends.dtype), ends[:-1]))
    parts = [starts + (ends - starts) * part // STATES for part in range(1, STATES + 1)]
    return torch.stack(parts, 1).flatten()


@dataclass(frozen=True)
class StateModels:
    """Means and variances of the cepstra in all states, (STATES * len(PHONES), n) each."""

    means: torch.Tensor
    variances: torch.Tensor

    def likelihoods(self, one: Utterance) -> torch.Tensor:
        """Return the log-likelihood of each frame in each state, impossible far from its phone."""
        precision, mean = 1 / self.variances[one.states], self.means[one.states]
        points = one.cepstra
        distance = points.square() @ precision.T - 2 * points @ (precision * mean).T
        distance += (precision * mean.square()).sum(1) + self.variances[one.states].log().sum(1)
        starts = torch.cat((torch.zeros(1, dtype=one.ends.dtype), one.ends[:-1]))
        before = torch.where(one.phones == 0, LONG_REACH, REACH)
        at = torch.arange(len(points))[:, None]
        allowed = (at >= starts - before) & (at < one.ends + REACH)
        allowed = allowed.repeat_interleave(STATES, 1)
        return torch.where(allowed, -0.5 * distance, torch.tensor(IMPOSSIBLE))


def _models(utterances: list[Utterance], every: list[torch.Tensor]) -> StateModels:
    """Return the models of states that end at the given frames."""
    states = [
        one.states.repeat_interleave(ends.diff(prepend=torch.zeros(1, dtype=ends.dtype)))
        for one, ends in zip(utterances, every, strict=True)
    ]
    frames = [one.cepstra[: int(ends[-1])] for one, ends in zip(utterances, every, strict=True)]
    state, points = torch.cat(states), torch.cat(frames)
    count = len(PHONES) * STATES
    sizes = torch.bincount(state, minlength=count)[:, None] + 1.0
    total = points.var(0)
    means = (
        torch.zeros(count, points.shape[1]).index_add_(0, state, points) + points.mean(0)
    ) / sizes
    spread = torch.zeros_like(means).index_add_(0, state, (points - means[state]).square())
    return StateModels(
        means, (spread + PRIOR_FRAMES * total) / (sizes + PRIOR_FRAMES) + FLOOR * total
    )


def _padded(likelihoods: list[torch.Tensor]) -> torch.Tensor:
    """Return log-likelihoods (frames, states) as one tensor (batch, frames, states)."""
    frames = max(len(part) for part in likelihoods)
    states = max(part.shape[1] for part in likelihoods)
    scores = torch.full((len(likelihoods), frames, states), IMPOSSIBLE)
    for row, part in enumerate(likelihoods):
        scores[row, : len(part), : part.shape[1]] = part
    return scores


def _batch_ends(likelihoods: list[torch.Tensor]) -> list[torch.Tensor]:
    """Return the best end of each state for utterances, given log-likelihoods (frames, states)."""
    scores = _padded(likelihoods)
    batch, frames, states = scores.shape
    middle_skip = torch.full((states,), IMPOSSIBLE)
    middle_skip[STATES - 1 :: STATES] = 0
    score = torch.full((batch, states), IMPOSSIBLE)
    score[:, 0] = scores[:, 0, 0]
    advances = torch.zeros(batch, frames, states, dtype=torch.int8)
    for frame in range(1, frames):
        next_state = functional.pad(score, (1, 0), value=IMPOSSIBLE)[:, :states]
        over_middle = functional.pad(score, (STATES - 1, 0), value=IMPOSSIBLE)[:, :states]
        over_middle = over_middle + middle_skip
        score, advance = torch.stack((score, next_state, over_middle)).max(0)
        advances[:, frame] = advance
        score = score + scores[:, frame]
    rows = zip(advances, likelihoods, strict=True)
    return [_traced(row[: len(part)], part.shape[1]) for row, part in rows]


def _traced(advances: torch.Tensor, states: int) -> torch.Tensor:
    """Return the ends of states, (states,), given the advance to each frame's state."""
    state, path, ends = states - 1, advances.numpy(), [len(advances)] * states
    for frame in range(len(path) - 1, 0, -1):
        for _ in range(path[frame, state]):
            state -= 1
            ends[state] = frame
    return torch.tensor(ends)


def state_ends(utterances: list[Utterance], models: StateModels) -> list[torch.Tensor]:
    """Return the frame at which each state ends, (STATES * phones,) for each utterance."""
    result: list[torch.Tensor] = [torch.zeros(0)] * len(utterances)
    order = sorted(range(len(utterances)), key=lambda index: len(utterances[index].cepstra))
    for begin in range(0, len(order), BATCH):
        chosen = order[begin : begin + BATCH]
        ends = _batch_ends([models.likelihoods(utterances[index]) for index in chosen])
        for index, end in zip(chosen, ends, strict=True):
            result[index] = end
    return result


def learned(utterances: list[Utterance]) -> StateModels:
    """Return the models of states after some rounds of moving the boundaries."""
    models = _models(utterances, [_thirds(one.ends) for one in utterances])
    for _ in range(ROUNDS):
        models = _models(utterances, state_ends(utterances, models))
    return models
