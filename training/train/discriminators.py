"""Discriminators of decoded and true speech, and the adversarial losses.

Spectrograms of three resolutions (as in UnivNet, Jang et al. 2021, in log magnitudes) and the
waveform folded at prime periods (as in HiFi-GAN, Kong et al. 2020), with few channels: they take
a third of the time of a step. The losses are those of LSGAN (Mao et al. 2017) and feature matching
(Kumar et al. 2019).
"""

from pathlib import Path

import torch
import torch.nn.functional as functional
from torch import nn
from torch.nn.utils import parametrizations

RESOLUTIONS = ((512, 128), (1024, 256), (2048, 512))  # window, hop
STRIDES = ((1, 4), (1, 2), (2, 2), (2, 2))
PERIODS = (2, 3, 5, 11)
CHANNELS = (8, 16, 16, 24)
LEARNING_RATE = 4e-4
FEATURE_WEIGHT = 1.0
ADVERSARIAL_WEIGHT = 1.0

Features = list[torch.Tensor]  # outputs of all layers; the last is the score


def _normalized(layer: nn.Conv2d) -> nn.Module:
    result: nn.Module = parametrizations.weight_norm(layer)
    return result


class SpectrogramDiscriminator(nn.Module):
    """Classifies log magnitudes of one resolution."""

    window: torch.Tensor

    def __init__(self, size: int, hop: int) -> None:
        super().__init__()
        self.size, self.hop = size, hop
        self.register_buffer("window", torch.hann_window(size))
        layers, before = [], 1
        for count, stride in zip(CHANNELS, STRIDES, strict=True):
            layers.append(_normalized(nn.Conv2d(before, count, (3, 7), stride, (1, 3))))
            before = count
        self.layers = nn.ModuleList(layers)
        self.output = _normalized(nn.Conv2d(before, 1, (3, 3), 1, (1, 1)))

    def forward(self, wave: torch.Tensor) -> Features:
        spectrum = torch.stft(
            wave, self.size, self.hop, window=self.window, return_complex=True
        ).abs()
        hidden = torch.log(spectrum + 0.01).transpose(1, 2)[:, None]
        return _features(self, hidden)


class PeriodDiscriminator(nn.Module):
    """Classifies the waveform folded at one period."""

    def __init__(self, period: int) -> None:
        super().__init__()
        self.period = period
        layers, before = [], 1
        for count in CHANNELS:
            layers.append(_normalized(nn.Conv2d(before, count, (5, 1), (3, 1), (2, 0))))
            before = count
        self.layers = nn.ModuleList(layers)
        self.output = _normalized(nn.Conv2d(before, 1, (3, 1), 1, (1, 0)))

    def forward(self, wave: torch.Tensor) -> Features:
        length = wave.shape[1] // self.period * self.period
        folded = wave[:, :length].view(len(wave), 1, -1, self.period)
        return _features(self, folded)


def _features(
    discriminator: SpectrogramDiscriminator | PeriodDiscriminator, hidden: torch.Tensor
) -> Features:
    features = []
    for layer in discriminator.layers:
        hidden = functional.leaky_relu(layer(hidden), 0.1)
        features.append(hidden)
    return [*features, discriminator.output(hidden)]


class Discriminators:
    """All discriminators with their optimizer."""

    def __init__(self, device: str) -> None:
        spectral = [SpectrogramDiscriminator(*resolution) for resolution in RESOLUTIONS]
        periodic = [PeriodDiscriminator(period) for period in PERIODS]
        self._models = nn.ModuleList([*spectral, *periodic]).to(device)
        self._optimizer = torch.optim.AdamW(
            self._models.parameters(), LEARNING_RATE, betas=(0.8, 0.99), weight_decay=0.0
        )

    def train_step(self, made: torch.Tensor, true: torch.Tensor) -> torch.Tensor:
        """Train the discriminators on waves (batch, samples); return their mean loss."""
        both = torch.cat((made.detach(), true))
        loss = torch.zeros((), device=made.device)
        for model in self._models:
            false, real = model(both)[-1].chunk(2)
            loss = loss + false.square().mean() + (1 - real).square().mean()
        self._optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self._optimizer.step()
        return loss.detach() / len(self._models)

    def generator_losses(self, made: torch.Tensor, true: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return the codec's losses, feature matching and adversarial, of (batch, samples)."""
        self._models.requires_grad_(False)
        matching = torch.zeros((), device=made.device)
        adversarial = torch.zeros((), device=made.device)
        for model in self._models:
            with torch.no_grad():
                wanted = model(true)
            features = model(made)
            for one, other in zip(features[:-1], wanted[:-1], strict=True):
                matching = matching + (one - other).abs().mean() / other.abs().mean()
            adversarial = adversarial + (1 - features[-1]).square().mean()
        self._models.requires_grad_(True)
        count = len(self._models)
        return {"features": matching / (count * len(CHANNELS)), "adversarial": adversarial / count}

    def save(self, path: Path) -> None:
        """Write the state next to the codec's checkpoint."""
        temporary = path.with_suffix(".tmp")
        state = {"models": self._models.state_dict(), "optimizer": self._optimizer.state_dict()}
        torch.save(state, temporary)
        temporary.rename(path)

    def load(self, path: Path) -> None:
        """Load the state, if there is one."""
        if path.exists():
            state = torch.load(path, weights_only=True)
            self._models.load_state_dict(state["models"])
            self._optimizer.load_state_dict(state["optimizer"])
