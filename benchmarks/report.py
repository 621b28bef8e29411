"""Shared by the comparisons: model shapes, the machine and its peak rates, and the report file."""

import json
import platform
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
import transformers

from fixtures.checkpoints import SUNO_SHAPED, CheckpointSpec, never_ending

SHAPES = {"small": (12, 12, 768), "large": (24, 16, 1024)}
"""Layers, heads and width of suno/bark-small and suno/bark."""


def spec_of(shape: str) -> CheckpointSpec:
    """Return a random checkpoint of a shape whose utterances never end early."""
    layers, heads, hidden = SHAPES[shape]
    spec = replace(never_ending(SUNO_SHAPED), layers=layers, heads=heads, hidden=hidden)
    return replace(spec, num_filters=32, codec_hidden=128)


def write_report(out: Path | None, report: dict[str, Any]) -> dict[str, Any]:
    """Print a report with the machine it ran on, and merge it into the report file.

    Args:
        out: the JSON file, or None to print only. Results of earlier runs stay if this run did
            not measure them.
        report: what this run measured; its results are under ``results``.

    Returns:
        All results, earlier ones included.
    """
    if out and out.exists():
        earlier = json.loads(out.read_text())["results"]
        report["results"] = earlier | report["results"]
    text = json.dumps({"machine": machine(), **report}, indent=2)
    print(text)
    if out:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(text + "\n")
    results: dict[str, Any] = report["results"]
    return results


def machine() -> dict[str, object]:
    """Return the processor, the number of threads and the versions."""
    return {
        "processor": _processor(),
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
    }


def measure_bandwidth() -> float:
    """Measure the memory bandwidth of all threads together, in bytes/s.

    Takes the best of several passes of a dot product over 400 MB.
    """
    halves = torch.ones(2, 50_000_000)
    return halves.nbytes / min(_seconds(lambda: torch.dot(halves[0], halves[1]), 7))


def measure_peak_flops() -> float:
    """Measure the float32 FLOP/s of oneDNN's matrix product, 1024 by 3072 by 3072."""
    weight = torch.ops.mkldnn._reorder_linear_weight(torch.ones(3072, 3072), 1024)
    x = torch.ones(1024, 3072)
    op = torch.ops.mkldnn._linear_pointwise
    return 2 * 1024 * 3072**2 / min(_seconds(lambda: op(x, weight, None, "none", [], ""), 5))


def _seconds(run: Callable[[], object], times: int) -> list[float]:
    run()
    taken = []
    for _ in range(times):
        started = time.perf_counter()
        run()
        taken.append(time.perf_counter() - started)
    return taken


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    names = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()
