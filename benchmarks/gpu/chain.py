"""The whole utterance in one process, STREAMING; and semantic tokens of one stream and of many."""

import asyncio
import time
from collections.abc import Iterator

import torch

from barkclient.bench.results import Case, Metrics, Result
from benchmarks.gpu.settings import Settings
from benchmarks.stages.barkserve_runner import STAGES, Stage, run
from benchmarks.stages.worker import Part

PARTS: tuple[Part, ...] = ("semantic", "chain")


def measure(settings: Settings) -> Iterator[Result]:
    """Run one stream, then a batch of streams, after a warm-up each."""
    for part in PARTS:
        with asyncio.Runner() as runner:
            stage = runner.run(_started(settings, part))
            for streams in (1, settings.batch):
                yield runner.run(_measured(settings, part, stage, streams))
            runner.run(_stop(stage))


def utterance_case(settings: Settings, side: str, attention: str) -> dict[str, str]:
    """Return what the cases of one side have in common."""
    case = {"shape": settings.case["shape"], "device": settings.device, "side": side}
    return {**case, "dtype": settings.dtype, "attention": attention}


def utterance_metrics(
    settings: Settings, streams: int, seconds: float, first_s: float, cpu_s: float
) -> Metrics:
    """Return the metrics of a case; seconds are those of all streams together."""
    on_gpu = settings.device.startswith("cuda")
    return {
        "seconds": seconds,
        "first_s": first_s,
        "rtf": seconds / settings.seconds,
        "audio_per_s": streams * settings.seconds / seconds,
        "cpu_s": cpu_s,
        "device_mb": torch.cuda.max_memory_reserved() / 2**20 if on_gpu else None,
    }


async def _measured(settings: Settings, part: Part, stage: Stage, streams: int) -> Result:
    await run(stage, streams)
    cpu_s = time.process_time()
    progress = await run(stage, streams)
    cpu_s = time.process_time() - cpu_s
    common = utterance_case(settings, "barkserve", settings.options.get("attention", "auto"))
    case: Case = {**common, "part": part, "streams": streams}
    metrics = utterance_metrics(settings, streams, progress.seconds, progress.first_s, cpu_s)
    return Result("utterance", case, metrics)


async def _started(settings: Settings, part: Part) -> Stage:
    stage = STAGES[part](settings.work_of(part, settings.batch))
    await stage.start()
    return stage


async def _stop(stage: Stage) -> None:
    await stage.stop()
