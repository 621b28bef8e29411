"""What the model of a stage does, as metrics: its batches and its GPU."""

import logging
from typing import Any

import torch

from barkserve.engine.batch import Batch, Burst
from barkserve.models.device import DeviceCapabilities
from barkserve.serving.metrics import Metrics

_log = logging.getLogger(__name__)


class BatchMetrics:
    """Duration and size of the batches of one model.

    Args:
        metrics: those of the stage.
        kind: what its batches are called, unless they are prefills or bursts.
    """

    def __init__(self, metrics: Metrics, kind: str = "") -> None:
        self._kind = kind
        self._seconds = metrics.histogram("barkserve_batch_seconds")
        self._size = metrics.histogram("barkserve_batch_size")

    def jobs_ended(self, size: int, seconds: float) -> None:
        """Record a batch of jobs."""
        self._seconds.observe(seconds, self._kind)
        self._size.observe(size, self._kind)


class TokenBatchMetrics(BatchMetrics):
    """Duration and size of prefills and bursts, and the duration of a step of a burst."""

    def __init__(self, metrics: Metrics) -> None:
        super().__init__(metrics)
        self._step = metrics.histogram("barkserve_step_seconds")

    def batch_ended(self, batch: Batch, steps: int, seconds: float) -> None:
        """Record a batch.

        Args:
            batch: a prefill or a burst.
            steps: the decode steps that it computed.
            seconds: its duration.
        """
        is_burst = isinstance(batch, Burst)
        kind = "burst" if is_burst else "prefill"
        self._seconds.observe(seconds, kind)
        self._size.observe(len(batch.requests), kind)
        if is_burst and steps:
            self._step.observe(seconds / steps)


def load_nvml() -> Any:
    """NVIDIA's management library, initialized; None where it cannot be used."""
    try:
        import pynvml  # imported lazily: optional, and useless without a GPU

        pynvml.nvmlInit()
    except Exception as error:  # not installed, or no driver: its own error types, or the loader's
        _log.info("no metrics of the GPU: pip install nvidia-ml-py adds them (%s)", error)
        return None
    return pynvml


def watch_gpu(metrics: Metrics, uuid: str, nvml: Any) -> None:
    """Add gauges for the memory and the utilization of a GPU.

    Args:
        metrics: those of the stage.
        uuid: the GPU's id, such as "GPU-3f0c...". CUDA_VISIBLE_DEVICES changes numbers, not ids.
        nvml: from `load_nvml`.
    """
    try:
        handle = nvml.nvmlDeviceGetHandleByUUID(uuid)
    except nvml.NVMLError as error:
        _log.warning("no metrics of the GPU %s: %s", uuid, error)
        return
    memory, rates = nvml.nvmlDeviceGetMemoryInfo, nvml.nvmlDeviceGetUtilizationRates
    metrics.watch("barkserve_gpu_memory_used_bytes", lambda: memory(handle).used, uuid)
    metrics.watch("barkserve_gpu_memory_total_bytes", lambda: memory(handle).total, uuid)
    metrics.watch("barkserve_gpu_utilization_ratio", lambda: rates(handle).gpu / 100, uuid)


def watch_gpu_of(metrics: Metrics, device: torch.device) -> None:
    """Add the gauges of the GPU that torch calls `device`; none for devices that NVML lacks."""
    if DeviceCapabilities.of(device).has_own_memory and (nvml := load_nvml()) is not None:
        watch_gpu(metrics, f"GPU-{torch.cuda.get_device_properties(device).uuid}", nvml)
