"""--slots auto and --max-batch auto: what suits the device."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from barkserve.building.stage import max_batch_of, slots_of
from barkserve.config.stages import CoarseOptions, CodecOptions, FineOptions
from barkserve.errors import StartupError
from barkserve.models.device import DeviceCapabilities
from barkserve.models.loading import Placement
from fixtures.checkpoints import TINY, CheckpointSpec
from tests.engine.test_model_runner import coarse_model

CheckpointOf = Callable[[CheckpointSpec], Path]


def free_memory(monkeypatch: pytest.MonkeyPatch, free: int | None) -> None:
    monkeypatch.setattr(DeviceCapabilities, "free_bytes", lambda self: free)


@pytest.mark.parametrize(
    ("free_slots", "slots"),
    [(40, 10), (43, 10), (4, 1), (0, 1), (100_000, 24)],
    ids=["a quarter", "rounded down", "one", "at least one", "at most max_streams"],
)
def test_auto_slots_take_a_quarter_of_the_free_memory(
    free_slots: int, slots: int, checkpoint_of: CheckpointOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = coarse_model(checkpoint_of(TINY))
    assert model.slot_bytes == model.new_cache(2).nbytes - model.new_cache(1).nbytes
    free_memory(monkeypatch, free_slots * model.slot_bytes)
    assert slots_of(CoarseOptions(max_streams=24), model) == slots


def test_given_slots_need_no_measurement(
    checkpoint_of: CheckpointOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    free_memory(monkeypatch, 0)
    assert slots_of(CoarseOptions(slots=7), coarse_model(checkpoint_of(TINY))) == 7


def test_auto_slots_are_16_in_host_memory(checkpoint_of: CheckpointOf) -> None:
    assert slots_of(CoarseOptions(), coarse_model(checkpoint_of(TINY))) == 16


def test_auto_batches_are_for_devices_that_need_them() -> None:
    on_cpu, on_apple = (
        Placement(torch.device(name), torch.float32, "sdpa") for name in ("cpu", "mps")
    )
    assert max_batch_of(CodecOptions(), on_cpu, on_gpu=16) == 1
    assert max_batch_of(CodecOptions(), on_apple, on_gpu=16) == 16
    assert max_batch_of(CodecOptions(max_batch=3), on_cpu, on_gpu=16) == 3


def test_deterministic_fine_fills_one_window_at_a_time() -> None:
    on_apple = Placement(torch.device("mps"), torch.float32, "sdpa")
    assert max_batch_of(FineOptions(), on_apple, on_gpu=8) == 8
    assert max_batch_of(FineOptions(deterministic="on"), on_apple, on_gpu=8) == 1
    with pytest.raises(StartupError, match="--deterministic on fills one window at a time"):
        max_batch_of(FineOptions(deterministic="on", max_batch=2), on_apple, on_gpu=8)
