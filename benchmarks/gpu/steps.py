"""A decode step of semantic and coarse, sampled, with a voice, for 1 to 64 streams at once.

On a GPU it is measured with --deterministic off and on.

The host's share is the CPU time of the process per step, and that of the thread that runs asyncio
and the generators. On a GPU some of the process's time is waiting for the device.
"""

import asyncio
import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import product

import torch

from barkclient.bench.results import Case, Result
from benchmarks.gpu.settings import Settings
from benchmarks.stages.barkserve_runner import STAGES, Stage, run
from benchmarks.stages.worker import Part

_PARTS: tuple[Part, ...] = ("semantic", "coarse")
_SECONDS = 1.6  # of coarse audio: four windows
_TOKENS = {"semantic": 100, "coarse": round(2 * 75 * _SECONDS)}
_TINY_SECONDS = 0.4
_TINY_TOKENS = {"semantic": 20, "coarse": round(2 * 75 * _TINY_SECONDS)}


def measure(settings: Settings) -> Iterator[Result]:
    """Measure each model, with the slots that the most streams need."""
    modes = ("off",) if settings.device == "cpu" else ("off", "on")
    for deterministic, part in product(modes, _PARTS):
        tokens = (_TINY_TOKENS if settings.tiny else _TOKENS)[part]
        seconds = _TINY_SECONDS if settings.tiny else _SECONDS
        work = replace(
            settings.work_of(part, max(settings.streams), deterministic=deterministic),
            tokens=tokens,
            seconds=seconds,
        )
        with asyncio.Runner() as runner:
            stage: Stage = STAGES[part](work)
            runner.run(_start(stage))
            for streams in settings.streams:
                result = runner.run(_measured(settings, part, stage, streams, tokens))
                yield replace(result, case={**result.case, "deterministic": deterministic})
            runner.run(_stop(stage))


async def _measured(
    settings: Settings, part: Part, stage: Stage, streams: int, tokens: int
) -> Result:
    await run(stage, streams)  # warm-up
    process_s, thread_s = time.process_time(), time.thread_time()
    progress = await run(stage, streams)
    process_s, thread_s = time.process_time() - process_s, time.thread_time() - thread_s
    case: Case = {**settings.case, "part": part, "dtype": settings.dtype, "streams": streams}
    metrics: dict[str, float | None] = {
        "step_ms": progress.step_ms,
        "first_ms": 1e3 * progress.first_s,
        "tokens_per_s": streams * tokens / progress.seconds,
        "cpu_ms_per_step": 1e3 * process_s / tokens,
        "asyncio_ms_per_step": 1e3 * thread_s / tokens,
    }
    if settings.device.startswith("cuda"):
        metrics["device_mb"] = torch.cuda.max_memory_reserved() / 2**20
    return Result("steps", case, metrics)


async def _start(stage: Stage) -> None:
    await stage.start()


async def _stop(stage: Stage) -> None:
    await stage.stop()
