"""`make tune-gpu` measures a step and writes what StepTimes reads, here on a CPU."""

from dataclasses import replace

import pytest
import torch

from barkserve.kernels.step_times import StepTimes
from barkserve.models.attention.host import HostAttention
from benchmarks.tune_gpu.__main__ import SHAPES, Device, measure, report, table_of
from benchmarks.tune_gpu.step import Step, _compiled_decode, random_model

CPU = torch.device("cpu")
TARGET = Device(CPU, torch.float32, lambda forward: forward, lambda: None)
SMALL = replace(
    SHAPES[768],
    block_size=32,
    num_layers=2,
    num_heads=2,
    hidden_size=32,
    input_vocab_size=1100,
    output_vocab_size=1100,
)


def test_measured_table_has_every_size_and_layers(capsys: pytest.CaptureFixture[str]) -> None:
    times = measure(SMALL, TARGET, (1, 3), ("torch", "fused"))
    table = table_of("NVIDIA A10", {32: times})
    found = StepTimes.from_table(table, 32)
    assert set(found.by_rows) == {1, 3}
    assert all(each["torch"] > 0 for each in found.by_rows.values())
    assert all("fused" not in each for each in found.by_rows.values())
    assert "fused at 3 rows failed" in capsys.readouterr().out  # no Triton without a GPU


def test_report_names_the_choice_and_its_cost() -> None:
    times = {
        "1": {"torch": 2.0, "compiled": 1.5, "fused": 1.0},
        "16": {"torch": 1.0, "fused": 1.5},
    }
    found = StepTimes.from_table(table_of("NVIDIA A10", {768: times}), 768)
    assert report(found, "fused") == (
        "1 rows: fused; --deterministic on is at most 0% slower up to here\n"
        "16 rows: torch; --deterministic on is at most 50% slower up to here"
    )


def test_step_feeds_its_token_back() -> None:
    model = random_model(SMALL, HostAttention(), CPU, torch.float32)
    step = Step(model, 3)
    step.begin(4)
    step.run()
    assert step._lengths.tolist() == [5, 5, 5]
    assert step._tokens.any()


def test_compiled_step_equals_the_model(monkeypatch: pytest.MonkeyPatch) -> None:
    """The functions that torch.compile gets are right; compiling them takes a compiler."""
    monkeypatch.setattr(torch, "compile", lambda function, dynamic: function)
    model = random_model(SMALL, HostAttention(), CPU, torch.float32)
    rows = torch.tensor([5, 6]), torch.tensor([1, 0]), torch.tensor([0, 3])
    cache = model.new_cache(2)
    expected = model.decode(*rows, cache.clone())
    torch.testing.assert_close(_compiled_decode()(model, *rows, cache), expected)
