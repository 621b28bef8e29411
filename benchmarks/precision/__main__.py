"""Measure how far float16 and bfloat16 are from float32, stage by stage.

    python -m benchmarks.precision --out benchmarks/results/precision-cpu.json

Uses the bundled model, which is trained, and random weights of bark-small's shapes. All models read
the same tokens. Prints a table; --out also writes it as JSON.
"""

import argparse
import tempfile
from pathlib import Path

import torch

from barkserve.checkpoint.folder import bundled_checkpoint
from barkserve.checkpoint.tensors import Checkpoint
from barkserve.models.device import DeviceCapabilities
from benchmarks.precision.stages import PrecisionCheck
from benchmarks.report import SHAPES, spec_of, write_report
from fixtures.checkpoints import build_checkpoint

DTYPES = ("float16", "bfloat16")
TOKENS = 60
TRAINED_FRAMES, RANDOM_FRAMES = 1024, 256


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--attention", default="auto")
    parser.add_argument("--shapes", default="small", help=f"of {', '.join(SHAPES)}; empty: none")
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    device = DeviceCapabilities.parse(arguments.device)
    method = {"device": arguments.device, "attention": arguments.attention, "tokens": TOKENS}
    with tempfile.TemporaryDirectory() as folder:
        models = {"bundled": bundled_checkpoint()}
        for shape in filter(None, arguments.shapes.split(",")):
            models[shape] = build_checkpoint(Path(folder) / shape, spec_of(shape))
        for name, path in models.items():
            trained = name == "bundled"
            check = PrecisionCheck(
                Checkpoint.open(path),
                device,
                arguments.attention,
                TOKENS,
                TRAINED_FRAMES if trained else RANDOM_FRAMES,
                spoken=trained,
            )
            rows = {
                f"{name} {stage} {dtype}": metrics
                for dtype in DTYPES
                for stage, metrics in check.compare(getattr(torch, dtype)).items()
            }
            write_report(arguments.out, "precision", method, rows)


if __name__ == "__main__":
    main()
