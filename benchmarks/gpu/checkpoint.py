"""Builds the random checkpoint that the other sections use. A second run finds it."""

import time
from collections.abc import Iterator

import torch

from barkclient.bench.results import Result
from benchmarks.gpu.settings import Settings
from fixtures.checkpoints import build_checkpoint


def measure(settings: Settings) -> Iterator[Result]:
    """Build the checkpoint, whole or not at all."""
    started = time.perf_counter()
    if not settings.folder.exists():
        torch.set_num_threads(1 if settings.tiny else torch.get_num_threads())
        partial = settings.folder.with_name(f"{settings.folder.name}.partial")
        build_checkpoint(partial, settings.spec)
        partial.rename(settings.folder)
    yield Result("checkpoint", settings.case, {"seconds": time.perf_counter() - started})
