"""Measure one decode step of the semantic and coarse models, for 1 to 16 streams at once.

    python -m benchmarks.steps --shape small --out benchmarks/results/steps-cpu.json

Compares the step time with the memory bandwidth of the machine, profiles it by module, and
measures how far the logits of bfloat16 and int8 weights are from float32's. Runs the models
with a scheduler in this thread, without gRPC.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib as mpl
import numpy as np
import torch
from matplotlib import pyplot
from numpy.typing import NDArray
from torch import Tensor

from barkserve.checkpoint.tensors import Checkpoint
from barkserve.coarse.generator import coarse_heads
from barkserve.engine.batch import Burst, Prefill
from barkserve.engine.draws import uniforms
from barkserve.engine.model_runner import ModelRunner
from barkserve.engine.progress import Progress
from barkserve.engine.request import Request, SamplingParams
from barkserve.engine.scheduler import Scheduler
from barkserve.models.loading import Placement, load_coarse, load_semantic
from barkserve.models.memory import weight_bytes
from barkserve.semantic.generator import semantic_head
from benchmarks.report import SHAPES, measure_bandwidth, measure_peak_flops, spec_of, write_report
from benchmarks.steps.profile import ModuleTimes
from fixtures.checkpoints import build_checkpoint

STREAMS = (1, 4, 8, 16)
MODELS = ("semantic", "coarse")
DTYPES = ("float32", "bfloat16", "int8")
PROMPT = 257
STEPS = 30
FORCED = 200


@dataclass(frozen=True)
class Model:
    """One model in one dtype."""

    name: str
    dtype: str
    runner: ModelRunner
    heads: int
    bytes_read: int  # weights that one decode step reads
    position_bytes: int  # keys and values of one position of one stream

    def floor_ms(self, streams: int, bandwidth: float) -> float:
        """Return the milliseconds to read all weights, keys and values once."""
        return 1e3 * (self.bytes_read + self.held_bytes(streams)) / bandwidth

    def held_bytes(self, streams: int) -> int:
        """Return the bytes of keys and values that a step reads, halfway through the run."""
        return streams * self.position_bytes * (PROMPT + STEPS // 2)


def models(folder: Path, only: Sequence[str]) -> list[Model]:
    """Load the semantic and coarse models in each dtype, float32 first."""
    checkpoint = Checkpoint.open(folder)
    found = []
    for dtype in DTYPES:
        placement = Placement.parse("cpu", dtype, "sdpa")
        for name, load, heads in (
            ("semantic", load_semantic, [semantic_head(checkpoint.bark)]),
            ("coarse", load_coarse, coarse_heads(checkpoint.bark)),
        ):
            if name not in only:
                continue
            model = load(checkpoint, placement)
            layers = weight_bytes(model.layers)
            head = model.config.hidden_size * len(heads[0]) * placement.weights.itemsize
            held = 8 * model.config.num_layers * model.config.hidden_size
            runner = ModelRunner(model, heads, max(STREAMS))
            found.append(Model(name, dtype, runner, len(heads), layers + head, held))
    return found


def random_request(model: Model, seed: int, length: int = PROMPT, max_tokens: int = 600) -> Request:
    """Return a greedy request with a random prompt."""
    prompt = np.random.default_rng(seed).integers(0, 10_000, (length, 1))
    heads = range(model.heads)
    draws = uniforms(0, 1, 0, max_tokens)
    return Request(prompt, max_tokens, SamplingParams(greedy=True), draws, heads=heads)


def step_ms(model: Model, streams: int, times: ModuleTimes | None = None) -> tuple[float, float]:
    """Measure the milliseconds of a decode step and of one prompt.

    Takes the median of the faster half, which leaves out disturbances by other processes.

    Args:
        model: the model to run.
        streams: number of streams at once.
        times: gets the time of each decode step, if given.

    Returns:
        Milliseconds of a decode step, and of a prompt.
    """
    scheduler = Scheduler(model.runner.limits)
    for seed in range(streams):
        scheduler.add(random_request(model, seed))
    prompts, decodes = list[float](), list[float]()
    while len(decodes) < STEPS:
        batch = scheduler.next_batch()
        assert batch is not None
        full = isinstance(batch, Burst) and len(batch.requests) == streams
        started = time.perf_counter()
        drawn = model.runner.collect(model.runner.launch(batch))
        elapsed = 1e3 * (time.perf_counter() - started)
        if times is not None:
            times.step(elapsed if full else None)
        scheduler.finish_batch(batch, drawn, 0.0)
        if isinstance(batch, Prefill):
            prompts.append(elapsed)
        elif full:
            decodes.append(elapsed)
    return _typical(decodes), _typical(prompts)


def _typical(times: list[float]) -> float:
    """The median of the faster half."""
    return statistics.median(sorted(times)[: (len(times) + 1) // 2])


def distance(exact: Model, near: Model) -> dict[str, float]:
    """Compare the logits of two models that read the same tokens."""
    same, worst, spread = 0, 0.0, 0.0
    prompt, computed = random_request(exact, 99, length=64).prompt, 0
    for _ in range(FORCED):
        logits = [_next_logits(model, prompt, computed) for model in (exact, near)]
        same += int(logits[0].argmax() == logits[1].argmax())
        worst = max(worst, float((logits[0] - logits[1]).abs().max()))
        spread = max(spread, float(logits[0].std()))
        computed = len(prompt)
        prompt = np.concatenate([prompt, [[int(logits[0].argmax())]]])
    return {
        "largest_logit_difference": round(worst, 4),
        "logit_standard_deviation": round(spread, 3),
        "same_greedy_choice": round(same / FORCED, 3),
    }


def _next_logits(model: Model, prompt: NDArray[np.int64], computed: int) -> Tensor:
    """Compute the logits after a prompt, (V,), whose first positions are in slot 0."""
    request = Request(prompt, 1, SamplingParams(greedy=True), uniforms(0, 1, 0, 1))
    request.slot, request.computed = 0, computed
    progress = Progress(1)
    progress.start(request, 0)
    return model.runner.logits(progress.launch_prefill([request], len(prompt)))[0]


def measure(model: Model, bandwidth: float) -> dict[str, dict[str, float]]:
    """Measure the steps of a model for each number of streams."""
    results: dict[str, dict[str, float]] = {}
    step_ms(model, 1)  # warm-up
    for streams in STREAMS:
        step, prompt = step_ms(model, streams)
        alone = results[_name(model, 1)]["step_ms"] if results else step
        results[_name(model, streams)] = {
            "step_ms": round(step, 2),
            "floor_ms": round(model.floor_ms(streams, bandwidth), 2),
            "prompt_ms": round(prompt, 1),
            "throughput_vs_one_stream": round(streams * alone / step, 2),
        }
    return results


def profile(model: Model, streams: int, bandwidth: float) -> dict[str, float]:
    """Return the milliseconds of each part of a step, and the floors set by the bandwidth."""
    times = ModuleTimes()
    with times.hooked():
        step_ms(model, streams, times)
    parts = times.milliseconds()
    return parts | {
        "linear_floor_ms": round(1e3 * model.bytes_read / bandwidth, 2),
        "attention_floor_ms": round(1e3 * model.held_bytes(streams) / bandwidth, 2),
    }


def _name(model: Model, streams: int) -> str:
    return f"{model.name}, {model.dtype}, {streams} streams"


def measure_all(found: Sequence[Model], bandwidth: float) -> dict[str, dict[str, float]]:
    """Measure steps, profiles and distances of all models."""
    results: dict[str, dict[str, float]] = {}
    for model in found:
        results |= measure(model, bandwidth)
        for streams in (1, max(STREAMS)):
            name = f"profile: {_name(model, streams)}"
            results[name] = profile(model, streams, bandwidth)
    exact = {model.name: model for model in found if model.dtype == "float32"}
    for near in found:
        if near.dtype != "float32":
            name = f"{near.name}, {near.dtype} against float32"
            results[name] = distance(exact[near.name], near)
    return results


def plot(results: dict[str, dict[str, float]], path: Path) -> None:
    """Plot step time and floor against the number of streams."""
    names = [name for name in MODELS if f"{name}, float32, 1 streams" in results]
    figure, grid = pyplot.subplots(1, len(names), squeeze=False, figsize=(5 * len(names), 4))
    axes = grid[0]
    for axis, name in zip(axes, names, strict=True):
        for dtype in DTYPES:
            rows = [results[f"{name}, {dtype}, {streams} streams"] for streams in STREAMS]
            (line,) = axis.plot(STREAMS, [row["step_ms"] for row in rows], "o-", label=dtype)
            floor = [row["floor_ms"] for row in rows]
            axis.plot(STREAMS, floor, "--", color=line.get_color(), label=f"{dtype}, floor")
        axis.set(title=name, xlabel="streams at once", xticks=STREAMS, ylim=(0, None))
    axes[0].set_ylabel("ms per step")
    axes[0].legend()
    figure.tight_layout()
    figure.savefig(path, dpi=110)


def main() -> None:
    """Run the benchmark from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shape", choices=SHAPES, default="small")
    parser.add_argument("--only", nargs="+", choices=MODELS, default=MODELS)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    mpl.use("agg")
    with tempfile.TemporaryDirectory() as folder, torch.inference_mode():
        build_checkpoint(Path(folder), spec_of(given.shape))
        found = models(Path(folder), given.only)
        rate = measure_bandwidth()
        results = measure_all(found, rate)
    peak = {"GB_per_s": round(rate / 1e9, 1), "float32_GFLOP_s": round(measure_peak_flops() / 1e9)}
    method = {"shape": given.shape, "device": "cpu", **peak}
    rows = write_report(given.out, "steps", method, results)
    if given.out:
        plot(rows, given.out.with_suffix(".png"))


if __name__ == "__main__":
    main()
