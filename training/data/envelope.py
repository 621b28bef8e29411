"""Mel cepstra of the spectral envelope, without the pitch."""

import numpy as np
import pyworld
import torch
from numpy.typing import NDArray

from training.config import FRAME_RATE, SAMPLE_RATE
from training.data.cepstra import FLOOR, MELS, cosine_basis, mel_filters

WINDOW = 1024  # samples; CheapTrick then needs a pitch of at least LOWEST_F0
LOWEST_F0 = 71.0
UNVOICED_F0 = 240.0  # sets the length of CheapTrick's window in unvoiced frames
WINDOW_POWER = 384.0  # of a Hann window of 1024 samples: levels are those of data.cepstra


class EnvelopeCepstrum:
    """Mel cepstra of the spectral envelope at the end of each frame, without the pitch.

    The envelope is that of CheapTrick (Morise 2015, in WORLD). A window of a fixed length also
    contains the harmonics, and codes would be wasted on them.
    """

    def __init__(self, count: int) -> None:
        # CheapTrick's spectrum has half the bins of Cepstrum's and four times their power each.
        self._filters = 4 * WINDOW_POWER * mel_filters(WINDOW // 2 + 1, MELS, 40, 11_500)
        self._basis = cosine_basis(MELS, count)

    def __call__(self, wave: NDArray[np.float32], f0: NDArray[np.float64]) -> NDArray[np.float32]:
        """Return cepstra, (frames, count).

        Args:
            wave: (samples,) in [-1, 1].
            f0: (frames,) Hz, 0 where unvoiced.
        """
        times = (np.arange(len(f0)) + 1) / FRAME_RATE
        pitch = np.where(f0 > 0, np.maximum(f0, LOWEST_F0), UNVOICED_F0)
        power = pyworld.cheaptrick(
            wave.astype(np.float64), pitch, times, SAMPLE_RATE, fft_size=WINDOW
        )
        mels = torch.from_numpy(power.astype(np.float32)) @ self._filters
        return (torch.log10(mels + FLOOR) @ self._basis).numpy()
