"""Spectral distance of two signals: complex at low frequencies, magnitudes above.

The pitch clock gives the position of each pulse, so low harmonics are compared with their phase.
"""

import torch
from torch import nn

from training.config import SAMPLE_RATE
from training.data.cepstra import mel_filters

SIZES = (256, 512, 2048)
MELS = 96


def _distance(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    return (torch.log(a + 0.02) - torch.log(b + 0.02)).abs().mean()


class SpectralLoss(nn.Module):
    """Log magnitudes at three resolutions, mel spectra, and the phase below 1.6 kHz."""

    mel: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        for size in (*SIZES, 1024):
            self.register_buffer(f"window_{size}", torch.hann_window(size))
        self.register_buffer("mel", mel_filters(1025, MELS, 30, 12_000))

    def _transform(self, wave: torch.Tensor, size: int) -> torch.Tensor:
        window = getattr(self, f"window_{size}")
        return torch.stft(wave, size, size // 4, window=window, return_complex=True)

    def forward(self, made: torch.Tensor, true: torch.Tensor) -> dict[str, torch.Tensor]:
        """Compare waves, (batch, samples) each."""
        magnitude = torch.zeros((), device=made.device)
        for size in SIZES:
            a, b = self._transform(made, size).abs(), self._transform(true, size).abs()
            magnitude = magnitude + _distance(a, b) + 0.5 * (a - b).norm() / b.norm()
            if size == 2048:
                low = slice(4, 160)
                magnitude = magnitude + 1.5 * _distance(a[:, low], b[:, low])
                cepstral = _distance(self.mel.T @ a, self.mel.T @ b)
        low = slice(2, 1024 * 1600 // SAMPLE_RATE)
        a, b = self._transform(made, 1024)[:, low], self._transform(true, 1024)[:, low]
        phase = ((a - b).abs().sum((1, 2)) / (b.abs().sum((1, 2)) + 1.0)).mean()
        return {"spectral": magnitude + 2 * cepstral + 1.5 * phase, "mel": cepstral, "phase": phase}
