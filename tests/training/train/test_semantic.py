"""The loss of the next phone does not depend on its timing."""

import torch

from training.config import SemanticLayout
from training.train.semantic import choice_loss

LAYOUT = SemanticLayout()
FIRST, SECOND, NEXT_PHONE, OTHER_PHONE = 30, 31, 45, 60  # thirds of phones


def loss(logits: torch.Tensor) -> torch.Tensor:
    """After FIRST comes SECOND (the phone continues), after SECOND comes another phone."""
    tokens, targets = torch.tensor([FIRST, SECOND]), torch.tensor([SECOND, NEXT_PHONE])
    return choice_loss(logits, tokens, targets, LAYOUT)


def test_choice_loss_ignores_timing() -> None:
    logits = torch.zeros(2, LAYOUT.output_vocab)
    longer = logits.clone()
    longer[:, [SECOND, SECOND + 1]] = 9.0
    assert loss(longer) == loss(logits)


def test_choice_loss_prefers_the_right_phone() -> None:
    right, wrong = torch.zeros(2, 2, LAYOUT.output_vocab)
    right[1, NEXT_PHONE] = wrong[1, OTHER_PHONE] = 5.0
    assert loss(right) < 1.0 < loss(wrong)
