"""`barkclient say --play` on an ALSA device that records what it plays."""

import os
import subprocess
import sys
import wave
from importlib import import_module
from pathlib import Path

import pytest


def _portaudio() -> bool:
    try:
        import_module("sounddevice")
    except OSError:
        return False
    return sys.platform == "linux"


pytestmark = pytest.mark.skipif(
    not _portaudio(), reason="needs PortAudio: apt-get install libportaudio2"
)

DEVICE = 'pcm.!null { type null }\npcm.!default { type file slave.pcm null file "%s" format raw }\n'


def test_play_plays_every_sample(server: str, tmp_path: Path) -> None:
    played, saved = tmp_path / "played.raw", tmp_path / "saved.wav"
    (tmp_path / "asound.conf").write_text(DEVICE % played)
    environment = os.environ | {"ALSA_CONFIG_PATH": str(tmp_path / "asound.conf")}
    say = [sys.executable, "-m", "barkclient", "say", "Hello there.", "--seed=3"]
    for output in ("--play", f"--output={saved}"):
        subprocess.run([*say, f"--server={server}", output], check=True, env=environment)
    with wave.open(str(saved)) as file:
        samples = file.readframes(file.getnframes())
    assert len(samples) > 10_000
    assert played.read_bytes() == samples
