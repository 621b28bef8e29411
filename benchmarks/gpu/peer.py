"""The same work with transformers: eager attention, and flash_attention_2 where it is installed."""

import asyncio
import time
from collections.abc import Iterator
from dataclasses import replace
from importlib.util import find_spec

from barkclient.bench.results import Case, Result
from benchmarks.gpu.chain import utterance_case, utterance_metrics
from benchmarks.gpu.settings import Settings
from benchmarks.stages.transformers_runner import TransformersBark
from benchmarks.stages.worker import Part


def measure(settings: Settings) -> Iterator[Result]:
    """Run the semantic stage of one stream and of a batch, and an utterance."""
    for attention in ("eager", "flash_attention_2"):
        common = utterance_case(settings, "transformers", attention)
        if attention == "flash_attention_2" and not _has_flash(settings):
            message = "flash-attn is not installed, or the device is not a GPU"
            yield Result("utterance", common, status="skipped", message=message)
            continue
        options = {**settings.stage_options(), "attention": attention}
        bark = TransformersBark(replace(settings.work_of("fine", 1), options=options))
        asyncio.run(bark.run(1))  # warm-up: the shortest part
        cases: tuple[tuple[Part, int], ...]
        cases = (("semantic", 1), ("semantic", settings.batch), ("chain", 1))
        for part, streams in cases:
            cpu_s = time.process_time()
            timing = asyncio.run(bark.run(streams, part))
            cpu_s = time.process_time() - cpu_s
            case: Case = {**common, "part": part, "streams": streams}
            metrics = utterance_metrics(settings, streams, timing.seconds, timing.first_s, cpu_s)
            yield Result("utterance", case, metrics)


def _has_flash(settings: Settings) -> bool:
    return settings.device.startswith("cuda") and find_spec("flash_attn") is not None
