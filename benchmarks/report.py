"""Shared by the comparisons: model shapes, the machine and its peak rates, and the report file."""

import os
import platform
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from importlib import metadata
from pathlib import Path
from typing import Any

import torch
import transformers

import barkclient
from barkclient.bench.results import Metrics, Result, Results, read_results
from fixtures.checkpoints import SUNO_SHAPED, CheckpointSpec, never_ending

SHAPES = {"small": (12, 12, 768), "large": (24, 16, 1024)}
"""Layers, heads and width of suno/bark-small and suno/bark."""


def spec_of(shape: str) -> CheckpointSpec:
    """Return a random checkpoint of a shape whose utterances never end early."""
    layers, heads, hidden = SHAPES[shape]
    spec = replace(never_ending(SUNO_SHAPED), layers=layers, heads=heads, hidden=hidden)
    return replace(spec, num_filters=32, codec_hidden=128)


def write_report(
    out: Path | None, section: str, method: Mapping[str, Any], rows: Mapping[str, Metrics]
) -> dict[str, Any]:
    """Print the results of this run, and merge them into the results file.

    Args:
        out: the file, or None to print only. Results of cases that this run did not measure stay.
        section: what was measured.
        method: the settings.
        rows: the metrics of each case by its name.

    Returns:
        The metrics of all cases in the file by name.
    """
    earlier = read_results(out).results if out and out.exists() else ()
    fresh = [Result(section, {"name": name}, metrics) for name, metrics in rows.items()]
    results = Results(f"benchmarks.{section}", machine(), method, earlier).with_results(fresh)
    print(results.to_json(), end="")
    if out:
        results.write(out)
    return {str(result.case["name"]): result.metrics for result in results.results}


def machine() -> dict[str, object]:
    """Return the processor, the GPU if there is one, and the versions of the programs."""
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        **_gpu(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "triton": _version("triton"),
        "flash_attn": _version("flash_attn"),
        "barkserve": barkclient.__version__,
    }


def _gpu() -> dict[str, object]:
    if not torch.cuda.is_available():
        return {"gpu": None}
    properties = torch.cuda.get_device_properties(0)
    return {
        "gpu": properties.name,
        "gpus": torch.cuda.device_count(),
        "gpu_mb": properties.total_memory // 2**20,
        "capability": f"{properties.major}.{properties.minor}",
        "cuda": torch.version.cuda or torch.version.hip,
    }


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


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
