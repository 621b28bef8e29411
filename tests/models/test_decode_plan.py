"""What computes a decode step, by card, batch size and --deterministic."""

from dataclasses import replace

import pytest
import torch

from barkserve.checkpoint.bark_config import CausalConfig
from barkserve.errors import StartupError
from barkserve.kernels.step_times import StepTimes
from barkserve.models.decode_plan import DecodePlan, Deterministic
from barkserve.models.device import DeviceCapabilities

SMALL = CausalConfig(1024, 12_096, 12_096, 12, 12, 768, False)
H200 = DeviceCapabilities(
    torch.device("cuda"), runs_triton=True, launches_dependents=True, card="NVIDIA H200"
)
A10 = replace(H200, launches_dependents=False, card="NVIDIA A10")
CPU = DeviceCapabilities(torch.device("cpu"), is_host=True)
APPLE = DeviceCapabilities(torch.device("mps"))
HALF = torch.float16


def chosen(
    deterministic: Deterministic,
    device: DeviceCapabilities,
    slots: int = 64,
    dtype: torch.dtype = HALF,
    config: CausalConfig = SMALL,
    fusable: bool = True,
) -> DecodePlan:
    return DecodePlan.choose(deterministic, config, device, dtype, slots, fusable)


def test_each_batch_size_gets_its_fastest_layers() -> None:
    plan = chosen("off", H200)
    layers = [plan.layers(rows) for rows in (1, 2, 4, 16, 17, 64, 300)]
    assert layers == [*["fused_dependent"] * 3, "fused", *["torch"] * 3]
    assert plan.kernels == {"fused", "fused_dependent"}
    assert not plan.deterministic


def test_card_that_was_not_measured_computes_with_torch() -> None:
    plan = chosen("auto", A10)
    assert {plan.layers(rows) for rows in (1, 16, 64)} == {"torch"}
    assert plan.kernels == set()
    assert not plan.deterministic


@pytest.mark.parametrize(("slots", "deterministic"), [(1, True), (16, True), (64, False)])
def test_auto_is_deterministic_if_it_costs_a_tenth(slots: int, deterministic: bool) -> None:
    plan = chosen("auto", H200, slots)
    assert plan.deterministic is deterministic
    assert plan.fixed == ("fused_dependent" if deterministic else None)


@pytest.mark.parametrize(("device", "layers"), [(H200, "fused_dependent"), (A10, "fused")])
def test_deterministic_plan_uses_one_kernel_for_all_sizes(
    device: DeviceCapabilities, layers: str
) -> None:
    plan = chosen("on", device)
    assert {plan.layers(rows) for rows in (1, 16, 64)} == {layers}
    assert plan.kernels == {layers}
    assert plan.deterministic
    assert not plan.single_rows


@pytest.mark.parametrize(
    ("device", "dtype", "config"),
    [
        (CPU, torch.float32, SMALL),
        (H200, torch.float32, SMALL),
        (H200, HALF, replace(SMALL, hidden_size=2048)),
        (H200, HALF, replace(SMALL, num_heads=16)),  # heads of 48
    ],
)
def test_deterministic_plan_runs_single_rows_without_kernels(
    device: DeviceCapabilities, dtype: torch.dtype, config: CausalConfig
) -> None:
    plan = chosen("on", device, dtype=dtype, config=config)
    assert plan.deterministic
    assert plan.single_rows
    assert plan.kernels == set()
    assert chosen("auto", device, dtype=dtype, config=config) == DecodePlan()


@pytest.mark.parametrize(
    ("device", "fusable"), [(APPLE, False), (H200, False), (replace(A10, runs_triton=False), True)]
)
def test_deterministic_plan_is_refused_on_other_devices(
    device: DeviceCapabilities, fusable: bool
) -> None:
    with pytest.raises(StartupError, match="--deterministic on needs"):
        chosen("on", device, fusable=fusable)


def test_h100_has_the_times_of_the_h200() -> None:
    assert StepTimes.of_card("NVIDIA H100 80GB HBM3", 768) == StepTimes.of_card("NVIDIA H200", 768)
    assert StepTimes.of_card("NVIDIA GeForce RTX 4090", 768) is None


def test_times_are_those_of_the_nearest_width() -> None:
    table = {"hidden": {"768": {"1": {"torch": 1.0}}, "1024": {"1": {"torch": 2.0}}}}
    widths = [StepTimes.from_table(table, width).by_rows[1]["torch"] for width in (192, 768, 1000)]
    assert widths == [1.0, 1.0, 2.0]


def test_extra_cost_is_that_of_the_worst_size() -> None:
    times = StepTimes(
        {
            1: {"torch": 2.0, "fused": 1.0},
            4: {"torch": 2.0, "fused": 2.5},
            16: {"torch": 1.0, "fused": 3.0},
        }
    )
    costs = [times.extra_cost("fused", slots) for slots in (1, 3, 4, 16, 100)]
    assert costs == [0.0, 0.25, 0.25, 2.0, 2.0]
    assert times.extra_cost("fused_dependent", 1) == float("inf")
