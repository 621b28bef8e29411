"""Align the letters of a text with its phones.

Hard EM over pair counts with monotone paths, batched over sentences of similar length. The
alignment guides the semantic model's attention during training; inference does not use it.
"""

import numpy as np
import torch
from numpy.typing import NDArray

from training.config import PHONES

ROUNDS = 4
LETTERS = 64  # ids of the letter tokenizer
SMOOTHING = 0.5
BATCH = 256


def _paths(costs: torch.Tensor, letters: torch.Tensor, phones: torch.Tensor) -> torch.Tensor:
    """Return the letter of each phone on the cheapest monotone path, (batch, phones).

    A phone has the same letter as its predecessor or one of the next three. The last phone has
    one of the last letters.
    """
    batch, rows, columns = costs.shape  # (B, phones, letters)
    moves = torch.tensor([0.7, 0.0, 0.4, 1.2])  # advance by 0, 1, 2 or 3 letters
    large = 1e6
    score = torch.full((batch, columns), large)
    score[:, 0] = 0
    back = torch.zeros(batch, rows, columns, dtype=torch.int8)
    history = []
    for row in range(rows):
        shifted = torch.stack(
            [
                torch.cat((torch.full((batch, by), large), score[:, : columns - by]), 1) + moves[by]
                for by in range(4)
            ]
        )
        best, choice = shifted.min(0)
        back[:, row] = choice.to(torch.int8)
        score = best + costs[:, row]
        history.append(score)
    scores = torch.stack(history, 1)
    rest = (letters[:, None] - 1 - torch.arange(columns)).float()
    final = scores[torch.arange(batch), phones - 1] + torch.where(rest >= 0, rest, large)
    place = final.argmin(1)
    path = torch.zeros(batch, rows, dtype=torch.long)
    for row in range(rows - 1, -1, -1):
        inside = row < phones
        path[:, row] = place
        step = back[torch.arange(batch), row, place].long()
        place = torch.where(inside, (place - step).clamp(min=0), place)
    return path


def align(texts: list[list[int]], phones: list[NDArray[np.int64]]) -> list[NDArray[np.int64]]:
    """Align sentences.

    Args:
        texts: letter ids of each sentence.
        phones: phone indices of each sentence.

    Returns:
        For each sentence (phones,), the index of the letter of each phone.
    """
    order = sorted(range(len(texts)), key=lambda i: (len(phones[i]), len(texts[i])))
    cost = torch.full((len(PHONES), LETTERS), 1.0)
    result: list[NDArray[np.int64]] = [np.zeros(0, np.int64)] * len(texts)
    for turn in range(ROUNDS):
        counts = torch.full((len(PHONES), LETTERS), SMOOTHING)
        for begin in range(0, len(order), BATCH):
            chosen = order[begin : begin + BATCH]
            letters = _padded([texts[i] for i in chosen])
            sounds = _padded([phones[i] for i in chosen])
            ends = torch.tensor([len(texts[i]) for i in chosen])
            rows = torch.tensor([len(phones[i]) for i in chosen])
            pair = cost[sounds[:, :, None], letters[:, None, :]]
            if turn == 0:  # no counts yet: prefer the diagonal
                pair = pair + _off_diagonal(ends, rows, pair.shape)
            path = _paths(pair, ends, rows)
            for row, index in enumerate(chosen):
                result[index] = path[row, : len(phones[index])].numpy()
            inside = torch.arange(sounds.shape[1]) < rows[:, None]
            pairs = sounds * LETTERS + letters.gather(1, path)
            counts += torch.bincount(pairs[inside], minlength=counts.numel()).view_as(counts)
        joint = counts / counts.sum()
        cost = -torch.log(joint / (joint.sum(0, keepdim=True) * joint.sum(1, keepdim=True)).sqrt())
    return result


def _padded(rows: list[list[int]] | list[NDArray[np.int64]]) -> torch.Tensor:
    width = max(map(len, rows))
    return torch.stack(
        [torch.nn.functional.pad(torch.as_tensor(row), (0, width - len(row))) for row in rows]
    ).long()


def _off_diagonal(letters: torch.Tensor, phones: torch.Tensor, shape: torch.Size) -> torch.Tensor:
    place = torch.arange(shape[2]) / letters[:, None]
    sound = torch.arange(shape[1]) / phones[:, None]
    return 20 * (sound[:, :, None] - place[:, None, :]).abs()
