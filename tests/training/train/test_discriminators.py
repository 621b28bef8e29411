"""Discriminators of decoded and true speech."""

from pathlib import Path

import torch

from training.train.discriminators import Discriminators

TRUE = torch.sin(torch.arange(9_600) * 0.05).repeat(2, 1)
NOISE = 0.3 * torch.randn(2, 9_600, generator=torch.Generator().manual_seed(0))


def test_feature_matching_is_zero_for_equal_waves() -> None:
    torch.manual_seed(0)
    discriminators = Discriminators("cpu")
    assert discriminators.generator_losses(TRUE, TRUE)["features"] == 0
    assert discriminators.generator_losses(NOISE, TRUE)["features"] > 0.1


def test_discriminators_learn_to_reject_noise(tmp_path: Path) -> None:
    torch.manual_seed(0)
    discriminators = Discriminators("cpu")
    losses = [float(discriminators.train_step(NOISE, TRUE)) for _ in range(30)]
    assert losses[-1] < 0.6 * losses[0]
    rejected = discriminators.generator_losses(NOISE, TRUE)["adversarial"]
    assert rejected > 0.4
    discriminators.save(tmp_path / "state.pt")
    loaded = Discriminators("cpu")
    loaded.load(tmp_path / "state.pt")
    assert torch.equal(loaded.generator_losses(NOISE, TRUE)["adversarial"], rejected)


def test_generator_losses_reach_the_wave_only() -> None:
    discriminators = Discriminators("cpu")
    made = NOISE.clone().requires_grad_()
    discriminators.generator_losses(made, TRUE)["adversarial"].backward()
    assert made.grad is not None
    assert made.grad.abs().sum() > 0
    assert all(parameter.grad is None for parameter in discriminators._models.parameters())
