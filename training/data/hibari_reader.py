"""Synthesize texts with the teacher hibari: audio, phones with their times, pitch."""

from pathlib import Path

import numpy as np
from hibari import Hibari, dsp

from training.data.onnx_graph import session_with_outputs
from training.data.phonemes import merged
from training.data.reading import Reading, to_pcm16, written

UNIT = 0.025  # seconds: durations of phonemes are multiples
DURATIONS = "/Round_output_0"  # the tensor of hibari's graph with the durations


class HibariReader:
    """hibari with its durations as an output."""

    def __init__(self) -> None:
        self._hibari = Hibari()
        self._session = session_with_outputs(Path(self._hibari.model_path), [DURATIONS])

    def read(self, text: str, seed: int) -> Reading:
        """Synthesize one sentence of lower-case letters; `seed` is that of the noise."""
        known = self._hibari.vocab
        characters = "".join(c for c in self._hibari.g2p(written(text)) if c in known)
        ids = np.array([self._hibari.ids(characters)], np.int64)
        results = self._session.run(None, {"ids": ids, "speed": np.ones(1, np.float32)})
        parts, durations = [part[0] for part in results[:-1]], results[-1].reshape(-1)
        wave = dsp.synth(*parts, np.random.default_rng(seed))
        phones = merged(f".{characters}.", durations.astype(np.float64) * UNIT)
        return Reading(to_pcm16(wave), phones, parts[-1].astype(np.float32))
