"""One step of the semantic and the coarse network against what the machine allows, for 1 to 16
streams at once, in float32 and with bfloat16 weights, and how far bfloat16 is from float32.

    python -m benchmarks.steps --shape small --out benchmarks/results/steps-cpu.json

Runs the networks behind a scheduler, without gRPC and threads of its own.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Sequence as Rows
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from barkserve.coarse.generator import coarse_heads
from barkserve.engine.draws import uniforms
from barkserve.engine.model_runner import ModelRunner
from barkserve.engine.scheduler import Batch, Scheduler
from barkserve.engine.sequence import SamplingParams, Sequence
from barkserve.models.checkpoint import Checkpoint
from barkserve.models.loading import Placement, load_coarse, load_semantic
from barkserve.models.memory import weight_bytes
from barkserve.semantic.generator import semantic_head
from benchmarks.report import SHAPES, bandwidth, peak_flops, spec_of, write_report
from tests.checkpoints import build_checkpoint

STREAMS = (1, 4, 8, 16)
PROMPT = 257
STEPS = 30
FORCED = 200


@dataclass(frozen=True)
class Network:
    """One network in one dtype."""

    name: str
    dtype: str
    runner: ModelRunner
    heads: int
    bytes_read: int  # of weights, by one decode step


def networks(folder: Path) -> list[Network]:
    """Semantic and coarse, float32 before bfloat16."""
    checkpoint = Checkpoint.open(folder)
    found = []
    for dtype in ("float32", "bfloat16"):
        placement = Placement.of("cpu", dtype, "sdpa")
        for name, load, heads in (
            ("semantic", load_semantic, [semantic_head(checkpoint.bark)]),
            ("coarse", load_coarse, coarse_heads(checkpoint.bark)),
        ):
            model = load(checkpoint, placement)
            layers = weight_bytes(model.layers)
            head = model.lm_head.weight[:1].nbytes * len(heads[0])
            runner = ModelRunner(model, heads, max(STREAMS))
            found.append(Network(name, dtype, runner, len(heads), layers + head))
    return found


def sequence_of(network: Network, seed: int, length: int = PROMPT, most: int = 600) -> Sequence:
    """Greedy, behind a random prompt."""
    prompt = np.random.default_rng(seed).integers(0, 10_000, (length, 1))
    heads = tuple(range(network.heads))
    return Sequence(prompt, most, SamplingParams(greedy=True), uniforms(0, 1, 0, most), heads=heads)


def step_ms(network: Network, streams: int) -> tuple[float, float]:
    """Milliseconds of a decode step and of one prompt: of the faster half, the median, so that what
    else the machine had to do does not count."""
    scheduler = Scheduler(max(STREAMS))
    for seed in range(streams):
        scheduler.add(sequence_of(network, seed))
    prompts, decodes = [], []
    while len(decodes) < STEPS:
        batch = scheduler.next_batch()
        assert batch is not None
        started = time.perf_counter()
        batch.record(network.runner.run(batch))
        elapsed = 1e3 * (time.perf_counter() - started)
        scheduler.settle(batch, 0.0)
        if batch.length > 1:
            prompts.append(elapsed)
        elif len(batch.sequences) == streams:
            decodes.append(elapsed)
    return _typical(decodes), _typical(prompts)


def _typical(times: list[float]) -> float:
    return statistics.median(sorted(times)[: (len(times) + 1) // 2])


def distance(exact: Network, near: Network) -> dict[str, float]:
    """Both networks read the same tokens: how far the logits of each position are apart, and how
    often both would choose the same token."""
    same, worst, spread = 0, 0.0, 0.0
    fed = [sequence_of(exact, 99, length=64, most=FORCED) for _ in range(2)]
    for sequence in fed:
        sequence.slot = 0
    for _ in range(FORCED):
        logits = [
            network.runner.logits(Batch((sequence,), (0,), sequence.pending_count))[0]
            for network, sequence in zip((exact, near), fed, strict=True)
        ]
        same += int(logits[0].argmax() == logits[1].argmax())
        worst = max(worst, float((logits[0] - logits[1]).abs().max()))
        spread = max(spread, float(logits[0].std()))
        token = int(logits[0].argmax())
        for sequence in fed:
            sequence.record(token, sequence.pending_count)
    return {
        "largest_logit_difference": round(worst, 4),
        "logit_standard_deviation": round(spread, 3),
        "same_greedy_choice": round(same / FORCED, 3),
    }


def measure(found: Rows[Network], bytes_a_second: float) -> dict[str, dict[str, float]]:
    """All steps, by name."""
    results: dict[str, dict[str, float]] = {}
    for network in found:
        alone = 0.0
        step_ms(network, 1)  # warm
        floor = 1e3 * network.bytes_read / bytes_a_second
        for streams in STREAMS:
            step, prompt = step_ms(network, streams)
            alone = alone or step
            results[f"{network.name}, {network.dtype}, {streams} streams"] = {
                "step_ms": round(step, 2),
                "weights_floor_ms": round(floor, 2),
                "prompt_ms": round(prompt, 1),
                "tokens_a_second_against_one_stream": round(streams * alone / step, 2),
            }
    half = len(found) // 2
    for exact, near in zip(found[:half], found[half:], strict=True):
        results[f"{near.name}, bfloat16 against float32"] = distance(exact, near)
    return results


def main() -> None:
    """Build the checkpoint, measure, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shape", choices=SHAPES, default="small")
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, torch.inference_mode():
        build_checkpoint(Path(folder), spec_of(given.shape))
        found = networks(Path(folder))
        rate = bandwidth()
        results = measure(found, rate)
    peak = {"GB_a_second": round(rate / 1e9, 1), "float32_GFLOP_s": round(peak_flops() / 1e9)}
    write_report(given.out, {"shape": given.shape, "peak": peak, "results": results})


if __name__ == "__main__":
    main()
