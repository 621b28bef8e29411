"""The loss of the next phone does not depend on its timing."""

import torch

from training.config import PHONES, SemanticLayout
from training.data.semantic_tokens import token_table
from training.train.semantic import choice_loss

LAYOUT = SemanticLayout()
FIRST, SECOND, LAST, NEXT_PHONE, OTHER_PHONE = (  # states of phones
    int(token_table().first[PHONES.index(name)]) + state
    for name, state in (("b", 0), ("b", 1), ("b", 2), ("m", 0), ("z", 0))
)


def loss(logits: torch.Tensor) -> torch.Tensor:
    """After FIRST comes SECOND (the phone continues), after SECOND comes another phone."""
    tokens, targets = torch.tensor([FIRST, SECOND]), torch.tensor([SECOND, NEXT_PHONE])
    return choice_loss(logits, tokens, targets, LAYOUT)


def test_choice_loss_ignores_timing() -> None:
    logits = torch.zeros(2, LAYOUT.output_vocab)
    longer = logits.clone()
    longer[:, [SECOND, LAST]] = 9.0
    assert loss(longer) == loss(logits)


def test_choice_loss_prefers_the_right_phone() -> None:
    right, wrong = torch.zeros(2, 2, LAYOUT.output_vocab)
    right[1, NEXT_PHONE] = wrong[1, OTHER_PHONE] = 9.0
    assert loss(right) < 1.0 < loss(wrong)
