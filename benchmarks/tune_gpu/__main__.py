"""Measure decode steps on this GPU, and write the times that barkserve chooses kernels by.

    python -m benchmarks.tune_gpu

Measures torch's layers, torch.compile and the fused kernels at several batch sizes, for the shapes
of bark-small and of bark. Writes services/barkserve/kernels/measured/CARD.json, or --out.
"""

import argparse
import json
import re
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch

import barkserve.kernels
from barkserve.checkpoint.bark_config import CausalConfig
from barkserve.engine.graphs import cuda_capture
from barkserve.kernels.step_times import Layers, StepTimes
from barkserve.models.attention.backend import Backend, slot_attention
from barkserve.models.causal import CausalModel
from barkserve.models.decode_plan import DecodePlan
from barkserve.models.device import DeviceCapabilities
from benchmarks.tune_gpu.step import Step, random_model

FOLDER = Path(barkserve.kernels.__file__).parent / "measured"
ROWS = (1, 4, 16, 64, 256)
LAYERS = ("torch", "compiled", "fused", "fused_dependent")
SHAPES = {
    768: CausalConfig(1024, 12_096, 12_096, 12, 12, 768, False),
    1024: CausalConfig(1024, 12_096, 12_096, 24, 16, 1024, False),
}
LENGTH = 300  # positions in each slot at the start
STEPS, REPEATS = 10, 15

Times = dict[str, dict[str, float]]


@dataclass(frozen=True)
class Device:
    """Where steps run, and how one is captured and awaited."""

    device: torch.device
    dtype: torch.dtype
    capture: Callable[[Callable[[], None]], Callable[[], None]]
    synchronize: Callable[[], None]


def measure(
    config: CausalConfig, target: Device, rows: Sequence[int], only: Sequence[str]
) -> Times:
    """Measure one model.

    Returns:
        Milliseconds per step by number of rows and by layers. What fails is missing, and its
        error is printed.
    """
    backend: Backend = "sdpa" if DeviceCapabilities.of(target.device).is_host else "triton"
    attention = slot_attention(backend, target.device, target.dtype)
    model = random_model(config, attention, target.device, target.dtype)
    times: Times = {}
    for count in rows:
        for layers in only:
            try:
                took = _step_ms(model, target, count, layers)
            except Exception as error:
                print(f"{layers} at {count} rows failed: {error}", flush=True)
                continue
            times.setdefault(str(count), {})[layers] = took
            print(f"width {config.hidden_size}, {count} rows, {layers}: {took} ms", flush=True)
    return times


@torch.inference_mode()
def _step_ms(model: CausalModel, target: Device, rows: int, layers: str) -> float:
    compiled = layers == "compiled"
    model.use_plan(DecodePlan(fixed="torch" if compiled else cast(Layers, layers)))
    step = Step(model, rows, compiled)
    replay = target.capture(step.run)
    took = []
    for _ in range(REPEATS):
        step.begin(min(LENGTH, model.config.block_size - STEPS))
        target.synchronize()
        started = time.perf_counter()
        for _ in range(STEPS):
            replay()
        target.synchronize()
        took.append(time.perf_counter() - started)
    return round(1e3 * statistics.median(took) / STEPS, 4)


def table_of(card: str, times: dict[int, Times]) -> dict[str, Any]:
    """Make the content of a file that StepTimes reads.

    Args:
        card: the name of the GPU.
        times: the result of measure for each width of the model.
    """
    return {
        "cards": [card],
        "source": f"make tune-gpu on one {card}, torch {torch.__version__}, float16, {LENGTH} "
        "positions in each slot",
        "unit": "ms for each step of the coarse model, ten steps replayed from one captured graph",
        "hidden": {str(width): each for width, each in times.items()},
    }


def report(times: StepTimes, kernels: Layers) -> str:
    """Describe what barkserve will choose, and what --deterministic on costs."""
    lines = []
    for rows in sorted(times.by_rows):
        cost = 100 * times.extra_cost(kernels, rows)
        lines.append(
            f"{rows} rows: {times.fastest(rows)}; --deterministic on is at most {cost:.0f}% slower "
            "up to here"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cuda", help="the GPU")
    parser.add_argument("--out", type=Path, help="the file to write; by default in the package")
    args = parser.parse_args()
    capabilities = DeviceCapabilities.parse(args.device)
    device, card = capabilities.device, capabilities.card
    if not capabilities.runs_triton:
        parser.error(f"--device {args.device}: the kernels need an NVIDIA GPU from Ampere on")
    target = Device(device, torch.float16, cuda_capture(device), capabilities.synchronize)
    kernels: Layers = "fused_dependent" if capabilities.launches_dependents else "fused"
    only = [each for each in LAYERS if each != "fused_dependent" or each == kernels]
    table = table_of(card, {width: measure(SHAPES[width], target, ROWS, only) for width in SHAPES})
    for width in SHAPES:
        print(f"width {width}\n{report(StepTimes.from_table(table, width), kernels)}")
    name = re.sub(r"[^a-z0-9]+", "-", card.lower()).strip("-")
    out = args.out or FOLDER / f"{name}.json"
    out.write_text(json.dumps(table, indent=2) + "\n", encoding="utf-8")
    print(f"wrote {out}")


if __name__ == "__main__":
    main()
