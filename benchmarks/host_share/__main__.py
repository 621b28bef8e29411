"""Measure the host's share of a decode step, without a GPU.

    python -m benchmarks.host_share --out benchmarks/results/host-share.json

Runs the engine with its real scheduler, runner, staging and worker thread over a tiny model whose
captured graphs do nothing when they are replayed. What is left is the work of the host: planning,
launching, reading and handing on tokens. The result is CPU time of the process per step, so other
processes on the machine disturb it little. Launching a graph on a GPU costs some 10 us per burst
more.
"""

import argparse
import asyncio
import json
import tempfile
import time
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from barkserve.checkpoint.tensors import Checkpoint
from barkserve.coarse.generator import AHEAD_S, coarse_heads
from barkserve.engine.engine import Engine
from barkserve.engine.graphs import Graphs, Out
from barkserve.engine.model_runner import ModelRunner
from barkserve.engine.playback import Playback
from barkserve.engine.request import Request, SamplingParams
from barkserve.models.attention import SdpaAttention
from barkserve.models.loading import Placement, load_coarse
from fixtures.checkpoints import TINY, build_checkpoint

STREAMS = (1, 16, 64)
TOKENS = 600
PROMPT = 64
REPORT = 10
RATE = 150.0  # coarse tokens per second of audio


class IdleCapture:
    """Captures nothing: a replay fills the results with token 0 and takes no time."""

    def __call__(self, forward: Callable[[], Out]) -> Callable[[], Out]:
        """Run the work once for the shapes of its results."""
        results = forward()
        for result in results if isinstance(results, tuple) else (results,):
            assert isinstance(result, Tensor)
            result.zero_()
        return lambda: results


async def cpu_us_per_step(runner: ModelRunner, streams: int) -> dict[str, float]:
    """Run streams through one engine; return the CPU time per decode step in microseconds."""
    engine, steps = Engine(runner), _StepCount(runner)
    await engine.start()
    try:
        await asyncio.gather(*(_stream(engine, seed, REPORT) for seed in range(streams)))
        steps.bursts = steps.steps = 0
        started = time.process_time()
        await asyncio.gather(*(_stream(engine, seed, TOKENS) for seed in range(streams)))
        spent = 1e6 * (time.process_time() - started)
    finally:
        await engine.stop()
    return {
        "us_per_step": round(spent / steps.steps, 1),
        "us_per_burst": round(spent / steps.bursts, 1),
        "steps_per_burst": round(steps.steps / steps.bursts, 2),
    }


class _StepCount:
    """Counts the bursts that a runner launches, and their steps."""

    def __init__(self, runner: ModelRunner) -> None:
        self.bursts = self.steps = 0
        launch = runner._bursts._replay

        def counted(slots: Tensor, steps: int, *others: object) -> tuple[Tensor, ...]:
            self.bursts += 1
            self.steps += steps
            return launch(slots, steps, *others)  # type: ignore[arg-type]

        runner._bursts._replay = counted  # type: ignore[assignment]


async def _stream(engine: Engine, seed: int, tokens: int) -> None:
    """Run one request."""
    prompt = np.random.default_rng(seed).integers(0, 50, (PROMPT, 1))
    request = Request(
        prompt,
        tokens,
        SamplingParams(0.7, 50),
        np.zeros(tokens, dtype=np.float32),
        range(2),
        report_every=REPORT,
        ahead_s=AHEAD_S,
        playback=Playback(RATE),
    )
    async with aclosing(engine.generate(request)) as parts:
        async for _ in parts:
            pass


def main() -> None:
    """Measure each number of streams and write a JSON file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    results: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as work:
        folder = Path(work) / "tiny"
        build_checkpoint(folder, replace(TINY, block_size=1024))
        checkpoint = Checkpoint.open(folder)
        for streams in STREAMS:
            model = load_coarse(checkpoint, Placement(torch.device("cpu"), torch.float32, "sdpa"))
            model.attention = SdpaAttention()
            graphs = Graphs(IdleCapture())
            runner = ModelRunner(model, coarse_heads(checkpoint.bark), streams, graphs)
            runner.capture(ids_per_position=1)
            results[str(streams)] = asyncio.run(cpu_us_per_step(runner, streams))
            print(f"{streams} streams: {results[str(streams)]}", flush=True)
    if arguments.out is not None:
        arguments.out.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
