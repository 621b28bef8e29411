"""The training loop of all models: time budget, learning rate, checkpoints, progress.

An interrupted run continues from its last checkpoint. The budget is in minutes of training, so
the learning-rate schedule ends with the time, however fast the machine is.
"""

import argparse
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from training.config import Work


@dataclass(frozen=True)
class TrainOptions:
    """Options of a training run."""

    name: str
    work: Work
    minutes: float
    learning_rate: float
    betas: tuple[float, float] = (0.9, 0.98)
    weight_decay: float = 0.05
    warmup_steps: int = 100
    final_share: float = 0.03  # of the learning rate, at the end
    save_seconds: float = 90.0
    seed: int = 0
    device: str = "cpu"
    start: Path | None = None  # exported checkpoint to continue from
    former: Path | None = None  # former bundled model, for the semantic model
    batch_scale: int = 1  # factor of the batch size on a CPU
    half: bool = False  # bfloat16 matrix products: faster on CPUs with support, else far slower

    def data_seed(self) -> int:
        """Return the seed of the data, which differs after every resumption."""
        path = self.work.checkpoint(self.name)
        if not path.exists():
            return self.seed
        return self.seed + 1 + int(torch.load(path, weights_only=True)["step"])


Step = Callable[[int], dict[str, torch.Tensor]]  # step number -> losses; "loss" is minimized
Validate = Callable[[], dict[str, float]]


def parse_options(name: str, minutes: float, rate: float, **rest: object) -> TrainOptions:
    """Parse the options that all trainers share."""
    parser = argparse.ArgumentParser(prog=f"python -m training {name}")
    parser.add_argument("--work", type=Path, default=Work().root)
    parser.add_argument("--minutes", type=float, default=minutes, help="minutes of training in all")
    parser.add_argument("--learning-rate", type=float, default=rate)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--batch-scale", type=int, default=1, help="larger batches, for a GPU")
    parser.add_argument(
        "--from",
        dest="start",
        type=Path,
        metavar="CHECKPOINT",
        help="folder of a checkpoint to continue from",
    )
    parser.add_argument("--half", action="store_true", help="bfloat16 matrix products")
    if name == "semantic":
        parser.add_argument("--former", type=Path, help="folder of the former bundled model")
    flags = parser.parse_args()
    torch.set_num_threads(flags.threads)
    torch.manual_seed(flags.seed)
    return TrainOptions(
        name,
        Work(flags.work),
        flags.minutes,
        flags.learning_rate,
        seed=flags.seed,
        device=flags.device,
        start=flags.start,
        former=getattr(flags, "former", None),
        batch_scale=flags.batch_scale,
        half=flags.half,
        **rest,  # type: ignore[arg-type]
    )


class _Checkpoint:
    """The file that a run resumes from."""

    def __init__(self, path: Path, model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
        self._path, self._model, self._optimizer = path, model, optimizer

    def load(self) -> tuple[int, float]:
        """Load the state; return the step and the seconds of training so far."""
        if not self._path.exists():
            return 0, 0.0
        state = torch.load(self._path, weights_only=True)
        self._model.load_state_dict(state["model"])
        self._optimizer.load_state_dict(state["optimizer"])
        return state["step"], state["seconds"]

    def save(self, step: int, seconds: float) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        temporary = self._path.with_suffix(".tmp")
        state = {
            "model": self._model.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "step": step,
            "seconds": seconds,
        }
        torch.save(state, temporary)
        temporary.rename(self._path)


def _rate(options: TrainOptions, step: int, seconds: float) -> float:
    share = min(1.0, seconds / (60 * options.minutes))
    cosine = 0.5 + 0.5 * math.cos(math.pi * share)
    decayed = options.final_share + (1 - options.final_share) * cosine
    return options.learning_rate * decayed * min(1.0, (step + 1) / options.warmup_steps)


def autocast(options: TrainOptions) -> torch.autocast:
    """Return the context for bfloat16 matrix products, if enabled."""
    return torch.autocast(options.device.split(":")[0], torch.bfloat16, enabled=options.half)


def train(
    options: TrainOptions,
    model: nn.Module,
    step: Step,
    validate: Validate,
    also_save: Callable[[], None] = lambda: None,
) -> None:
    """Train until the budget is spent; print one line per checkpoint.

    Args:
        options: time, learning rate and paths.
        model: the model to train.
        step: returns the losses of one step; "loss" is minimized.
        validate: returns the figures to print with each checkpoint.
        also_save: writes what else a resumed run needs, with each checkpoint.
    """
    optimizer = torch.optim.AdamW(
        model.parameters(), betas=options.betas, weight_decay=options.weight_decay, fused=True
    )
    checkpoint = _Checkpoint(options.work.checkpoint(options.name), model, optimizer)
    count, seconds = checkpoint.load()
    sums: dict[str, tuple[float, int]] = {}
    saved, mark = seconds, time.monotonic()
    while seconds < 60 * options.minutes:
        for group in optimizer.param_groups:
            group["lr"] = _rate(options, count, seconds)
        with autocast(options):
            losses = step(count)
        optimizer.zero_grad(set_to_none=True)
        losses["loss"].backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        for name, value in losses.items():
            total, times = sums.get(name, (0.0, 0))
            sums[name] = (total + value.item(), times + 1)
        count += 1
        now = time.monotonic()
        seconds, mark = seconds + now - mark, now
        if seconds - saved > options.save_seconds or seconds >= 60 * options.minutes:
            report = {name: total / times for name, (total, times) in sums.items()}
            with autocast(options):
                checks = validate()
            _print(options, count, seconds, report, checks)
            checkpoint.save(count, seconds)
            also_save()
            sums, saved, mark = {}, seconds, time.monotonic()


def _print(
    options: TrainOptions,
    step: int,
    seconds: float,
    report: dict[str, float],
    validation: dict[str, float],
) -> None:
    share = min(1.0, seconds / 60 / options.minutes)
    bar = ("#" * round(20 * share)).ljust(20, ".")
    losses = " ".join(f"{name} {value:.3f}" for name, value in report.items())
    checks = " ".join(f"{name} {value:.3f}" for name, value in validation.items())
    line = f"{options.name} [{bar}] {seconds / 60:.1f} min, step {step}: {losses} | {checks}"
    print(line, flush=True)
