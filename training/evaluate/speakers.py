"""Compare the speakers of two recordings, by Resemblyzer's embeddings (GE2E, Wan et al. 2018)."""

import numpy as np
from resemblyzer import VoiceEncoder, preprocess_wav

from training.data.sound import Wave
from training.evaluate.recognizer import RATE, resampled


class Speakers:
    """Compares voices."""

    def __init__(self) -> None:
        self._encoder = VoiceEncoder("cpu", verbose=False)

    def similarity(self, a: Wave, b: Wave) -> float:
        """Return the cosine of the embeddings of 24 kHz speech; the same speaker has over .75."""
        one, other = (self._encoder.embed_utterance(self._cut(wave)) for wave in (a, b))
        return float(np.dot(one, other))

    @staticmethod
    def _cut(wave: Wave) -> Wave:
        cut: Wave = preprocess_wav(resampled(wave), source_sr=RATE)
        return cut
