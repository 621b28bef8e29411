"""Boundaries of phones move to where the sound changes."""

import torch

from training.config import STATES
from training.data.boundaries import Utterance, learned, state_ends

MEANS = torch.randn(4, 6, generator=torch.Generator().manual_seed(0)) * 3


def utterance(generator: torch.Generator, off: int) -> tuple[Utterance, torch.Tensor]:
    """Return an utterance whose boundaries are wrong by up to `off` frames, and the true ones."""
    phones = torch.cat((torch.tensor([0]), torch.randint(1, 4, (6,), generator=generator)))
    same = torch.cat((torch.tensor([False]), phones[1:] == phones[:-1]))
    phones = torch.cat((phones[~same], torch.tensor([0])))
    lengths = torch.randint(12, 20, (len(phones),), generator=generator)
    true = lengths.cumsum(0)
    frames = MEANS[phones.repeat_interleave(lengths)]
    frames = frames + 0.3 * torch.randn(frames.shape, generator=generator)
    wrong = true + torch.randint(-off, off + 1, true.shape, generator=generator)
    wrong[-1] = true[-1]
    return Utterance(frames, phones, wrong), true


def test_boundaries_move_to_the_change_of_sound() -> None:
    generator = torch.Generator().manual_seed(1)
    pairs = [utterance(generator, off=3) for _ in range(30)]
    given = [one for one, _ in pairs]
    moved = [ends[STATES - 1 :: STATES] for ends in state_ends(given, learned(given))]
    before = torch.cat([(one.ends - true).abs() for one, true in pairs]).float().mean()
    after = torch.cat([(end - true).abs() for end, (_, true) in zip(moved, pairs, strict=True)])
    assert before > 1
    assert after.float().mean() < 0.1


def test_the_middle_state_of_a_short_phone_is_empty() -> None:
    generator = torch.Generator().manual_seed(2)
    models = learned([utterance(generator, off=0)[0] for _ in range(30)])
    phones, lengths = torch.tensor([0, 1, 2, 0]), torch.tensor([14, 2, 14, 14])
    short = Utterance(MEANS[phones.repeat_interleave(lengths)], phones, lengths.cumsum(0))
    ends = state_ends([short], models)[0]
    assert ends[STATES : 2 * STATES].tolist() == [15, 15, 16]
    assert (ends.diff() >= 0).all()
