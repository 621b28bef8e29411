"""--slots auto: as many slots as suit the device."""

from collections.abc import Callable
from pathlib import Path

import pytest

from barkserve.building.stage import slots_of
from barkserve.config.stages import CoarseOptions
from barkserve.models.device import DeviceCapabilities
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
