"""The spectral loss of the codec."""

import torch

from training.train.spectral_loss import SpectralLoss

TIME = torch.arange(24_000) / 24_000


def tone(hertz: float, cycles: float = 0.0) -> torch.Tensor:
    return 0.3 * torch.sin(2 * torch.pi * (hertz * TIME + cycles))[None]


def test_loss_is_zero_for_equal_waves() -> None:
    assert all(value == 0 for value in SpectralLoss()(tone(200), tone(200)).values())


def test_phase_counts_below_1600_hz_only() -> None:
    loss = SpectralLoss()
    true = tone(200) + tone(3_000)
    low = loss(tone(200, 0.5) + tone(3_000), true)
    high = loss(tone(200) + tone(3_000, 0.5), true)
    assert low["phase"] > 1
    assert high["phase"] < 0.1
    assert low["mel"] < 0.05  # magnitudes agree
