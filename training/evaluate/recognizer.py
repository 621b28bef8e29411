"""Speech recognition with pocketsphinx and its own English models."""

import numpy as np
from pocketsphinx import Decoder

from training.data.sound import Wave


class Recognizer:
    """pocketsphinx with its own English models."""

    def __init__(self) -> None:
        self._decoder = Decoder(loglevel="FATAL")

    def __call__(self, wave: Wave) -> str:
        """Return the recognized words of 24 kHz audio."""
        spectrum = np.fft.rfft(np.pad(wave, 4800))
        length = (len(wave) + 9600) * 2 // 3
        low = np.fft.irfft(spectrum[: length // 2 + 1], length) * 2 / 3
        self._decoder.start_utt()
        self._decoder.process_raw(
            (low.clip(-1, 1) * 32767).astype(np.int16).tobytes(), full_utt=True
        )
        self._decoder.end_utt()
        hypothesis = self._decoder.hyp()
        return hypothesis.hypstr if hypothesis else ""
