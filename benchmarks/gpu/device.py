"""The bandwidth of the device's memory, which bounds every decode step."""

import time
from collections.abc import Iterator

import torch

from barkclient.bench.results import Result
from benchmarks.gpu.settings import Settings
from benchmarks.report import machine

_BYTES = 1 << 30
_TINY_BYTES = 1 << 24
_COPIES = 10


def measure(settings: Settings) -> Iterator[Result]:
    """Copy memory, and report the programs' versions."""
    size = _TINY_BYTES if settings.tiny else _BYTES
    source = torch.ones(size, dtype=torch.uint8, device=settings.device)
    target = torch.empty_like(source)
    best = min(_copy_s(source, target) for _ in range(3))
    metrics = {"copy_gb_per_s": 2 * _COPIES * size / best / 1e9}
    yield Result("device", settings.case, metrics, details=machine())


def _copy_s(source: torch.Tensor, target: torch.Tensor) -> float:
    started = time.perf_counter()
    for _ in range(_COPIES):
        target.copy_(source)
    int(target[-1])  # waits for the device
    return time.perf_counter() - started
