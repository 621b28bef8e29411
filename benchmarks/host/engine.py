"""Measure the CPU time of the engine for each decode step, in the event loop and model thread.

Runs the engine with its real scheduler, runner, staging and worker thread over a tiny model whose
captured graphs do nothing when they are replayed. What is left is the work of the host: planning,
launching, reading and handing on tokens. Prompts and the start of requests are included. CPU time
of threads hardly depends on other processes, except for shared caches: the smallest of several runs
counts. Launching a graph on a GPU costs some 10 us per burst more.
"""

import argparse
import asyncio
import tempfile
import time
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from barkclient.bench.results import Metrics
from barkserve.checkpoint.tensors import Checkpoint
from barkserve.coarse.generator import AHEAD_S, coarse_heads
from barkserve.engine.batch import Batch, Burst
from barkserve.engine.engine import Engine
from barkserve.engine.graphs import Graphs, Out
from barkserve.engine.model_runner import ModelRunner
from barkserve.engine.model_thread import ModelThread
from barkserve.engine.playback import Playback
from barkserve.engine.request import Request, SamplingParams
from barkserve.models.attention.sdpa import SdpaAttention
from barkserve.models.loading import Placement, load_coarse
from barkserve.serving.garbage import ignore_present_objects
from benchmarks.report import write_report
from fixtures.checkpoints import TINY, build_checkpoint

TOKENS = 600
PROMPT = 64
REPORT = 10
RATE = 150.0  # coarse tokens per second of audio
RUNS = 5


class IdleCapture:
    """Captures nothing: a replay fills the results with token 0 and takes no time."""

    def __call__(self, forward: Callable[[], Out]) -> Callable[[], Out]:
        """Run the work once for the shapes of its results."""
        results = forward()
        for result in results if isinstance(results, tuple) else (results,):
            assert isinstance(result, Tensor)
            result.zero_()
        return lambda: results


async def cost_of(runner: ModelRunner, streams: int) -> dict[str, float]:
    """Run streams through one engine; return its CPU time for each decode step, us."""
    thread, counts = ModelThread(), _Counts()
    engine = Engine(runner, thread, on_batch=counts.add)
    await engine.start()
    try:
        return min([await _run(engine, thread, counts, streams) for _ in range(RUNS)], key=_total)
    finally:
        await engine.stop()


class _Counts:
    """Counts bursts and their steps."""

    def __init__(self) -> None:
        self.bursts = self.steps = 0

    def add(self, batch: Batch, steps: int, _seconds: float) -> None:
        """Count a batch."""
        if isinstance(batch, Burst):
            self.bursts += 1
            self.steps += steps


def _total(metrics: dict[str, float]) -> float:
    return metrics["us_per_step"]


async def _run(
    engine: Engine, thread: ModelThread, counts: _Counts, streams: int
) -> dict[str, float]:
    requests = [_request(seed) for seed in range(streams)]
    ignore_present_objects()
    counts.bursts = counts.steps = 0
    model, loop = await thread.run(time.thread_time), time.thread_time()
    await asyncio.gather(*(_read(engine, request) for request in requests))
    loop = time.thread_time() - loop
    model = await thread.run(time.thread_time) - model
    return {
        "us_per_step": round(1e6 * (loop + model) / counts.steps, 1),
        "event_loop_us_per_step": round(1e6 * loop / counts.steps, 1),
        "model_thread_us_per_step": round(1e6 * model / counts.steps, 1),
        "us_per_burst": round(1e6 * (loop + model) / counts.bursts, 1),
        "steps_per_burst": round(counts.steps / counts.bursts, 2),
    }


def _request(seed: int) -> Request:
    """Make a sampled, streamed request like one of the coarse stage."""
    return Request(
        np.random.default_rng(seed).integers(0, 50, (PROMPT, 1)),
        TOKENS,
        SamplingParams(0.7, 50),
        np.zeros(TOKENS, dtype=np.float32),
        range(2),
        report_every=REPORT,
        ahead_s=AHEAD_S,
        playback=Playback(RATE),
    )


async def _read(engine: Engine, request: Request) -> None:
    async with aclosing(engine.generate(request)) as tokens:
        async for _ in tokens:
            pass


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this benchmark."""
    parser.add_argument("--streams", nargs="+", type=int, default=(1, 16, 64))
    parser.add_argument("--out", type=Path, help="results file")


def run(given: argparse.Namespace) -> None:
    """Measure all numbers of streams, and write the results."""
    torch.set_num_threads(1)
    rows: dict[str, Metrics] = {}
    with tempfile.TemporaryDirectory() as work:
        folder = Path(work) / "tiny"
        build_checkpoint(folder, replace(TINY, block_size=1024))
        checkpoint = Checkpoint.open(folder)
        for streams in given.streams:
            model = load_coarse(checkpoint, Placement(torch.device("cpu"), torch.float32, "sdpa"))
            model.attention = SdpaAttention()
            heads, graphs = coarse_heads(checkpoint.bark), Graphs(IdleCapture())
            runner = ModelRunner(model, heads, streams, graphs)
            runner.capture(ids_per_position=1)
            rows[f"{streams} streams"] = asyncio.run(cost_of(runner, streams))
    write_report(given.out, "host engine", {}, rows)
