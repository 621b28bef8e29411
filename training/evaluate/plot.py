"""Plot spectrograms and pitch of the teacher and bark-mini, from the audio of `evaluate`."""

import argparse
import io
import wave as wave_file
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from training.config import SAMPLE_RATE
from training.data.sound import PITCH_HOP, PITCH_WINDOW, Wave, pitch


def load_wave(path: Path) -> Wave:
    with wave_file.open(str(path), "rb") as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), np.int16)
    return (samples / 32768).astype(np.float32)


def spectrograms(folder: Path, index: int, text: str) -> Figure:
    """Plot narrow-band spectrograms, the teacher above bark-mini."""
    figure = Figure(figsize=(9, 5.5), layout="constrained")
    for axes, name in zip(figure.subplots(2, 1), ("teacher", "mini"), strict=True):
        audio = load_wave(folder / f"{index:03d}_{name}.wav")
        axes.specgram(audio, NFFT=1024, Fs=SAMPLE_RATE, noverlap=768, vmin=-120, cmap="magma")
        axes.set(ylim=(0, 5000), ylabel=f"{name}, Hz")
    figure.axes[0].set_title(text)
    figure.axes[-1].set_xlabel("s")
    return figure


def pitches(folder: Path, indices: list[int]) -> Figure:
    """Plot the pitch tracks of some sentences."""
    figure = Figure(figsize=(9, 5.5), layout="constrained")
    rows = figure.subplots(len(indices), 1, squeeze=False)[:, 0]
    for axes, index in zip(rows, indices, strict=True):
        for name, color in (("teacher", "tab:gray"), ("mini", "tab:red")):
            track = pitch(load_wave(folder / f"{index:03d}_{name}.wav"))
            times = (np.arange(len(track)) * PITCH_HOP + PITCH_WINDOW / 2) / SAMPLE_RATE
            axes.plot(times[track > 0], track[track > 0], ".", color=color, label=name, ms=3)
        axes.set(ylabel="Hz")
    rows[0].legend()
    rows[-1].set_xlabel("s")
    return figure


def save(figure: Figure, path: Path) -> None:
    """Save a small PNG with few colors."""
    canvas = io.BytesIO()
    figure.savefig(canvas, dpi=70)
    Image.open(canvas).convert("RGB").quantize(48).save(path, optimize=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("audio", type=Path, help="folder that evaluate --audio wrote")
    parser.add_argument("--output", type=Path, default=Path())
    parser.add_argument("--sentence", type=int, default=4)
    parser.add_argument("--text", default="")
    options = parser.parse_args()
    matplotlib.use("Agg")
    options.output.mkdir(parents=True, exist_ok=True)
    figure = spectrograms(options.audio, options.sentence, options.text)
    save(figure, options.output / "spectrograms.png")
    near = [options.sentence + offset for offset in range(3)]
    save(pitches(options.audio, near), options.output / "pitch.png")


if __name__ == "__main__":
    main()
