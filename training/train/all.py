"""Train all four models in parallel and export them, in one command.

Starts each trainer as a process, with the command line that one would type.
"""

import argparse
import subprocess
import sys
from pathlib import Path

from training.config import Work
from training.data.pack import unpack

STAGES = ("codec", "semantic", "coarse", "fine")
HALF = ("semantic", "coarse", "fine")  # the codec's loss is a spectrum: full precision


def trainer(stage: str, options: argparse.Namespace) -> list[str]:
    """Return the command line of one trainer."""
    command = [sys.executable, "-m", "training", stage, "--work", str(options.work)]
    command += ["--device", options.device, "--seed", str(options.seed)]
    command += ["--batch-scale", str(options.batch_scale)]
    if stage != "fine":  # learns only zeros
        command += ["--minutes", str(options.minutes)]
    return command + (["--half"] if options.half and stage in HALF else [])


def train_all(options: argparse.Namespace) -> None:
    """Run all trainers at once.

    Raises:
        SystemExit: Some trainers failed; the message names them.
    """
    running = {stage: subprocess.Popen(trainer(stage, options)) for stage in STAGES}
    failed = [stage for stage, process in running.items() if process.wait()]
    if failed:
        raise SystemExit(
            f"failed: {', '.join(failed)}; run again to continue from their checkpoints"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, default=Work().root)
    parser.add_argument("--prepared", type=Path, help="file written by train-pack, to unpack first")
    parser.add_argument("--minutes", type=float, default=18, help="minutes of training per model")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--batch-scale", type=int, default=1)
    parser.add_argument("--half", action="store_true", help="bfloat16 matrix products")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    if options.prepared:
        unpack(options.prepared, Work(options.work))
    train_all(options)
    export = [sys.executable, "-m", "training", "export", "--work", str(options.work)]
    subprocess.run(export, check=True)


if __name__ == "__main__":
    main()
