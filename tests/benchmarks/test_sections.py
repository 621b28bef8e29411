"""Sections of `benchmarks.gpu` on the CPU; `make test-bench-gpu` runs all of them."""

from pathlib import Path

import pytest

from benchmarks.gpu.sections import SECTIONS, section_named
from benchmarks.gpu.settings import Settings


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    made = Settings("cpu", "tiny", str(tmp_path_factory.mktemp("work")), tiny=True)
    (built,) = section_named("checkpoint").measure(made)
    assert built.status == "ok"
    return made


def test_device_reports_bandwidth_and_versions(settings: Settings) -> None:
    (result,) = section_named("device").measure(settings)
    bandwidth = result.metrics["copy_gb_per_s"]
    assert isinstance(bandwidth, float)
    assert 0.01 < bandwidth < 10_000
    assert {"processor", "gpu", "torch", "transformers", "barkserve"} <= set(result.details)


def test_checkpoint_is_built_once(settings: Settings) -> None:
    written = (settings.folder / "config.json").stat().st_mtime_ns
    list(section_named("checkpoint").measure(settings))
    assert (settings.folder / "config.json").stat().st_mtime_ns == written
    assert [each.name for each in Path(settings.work).iterdir()] == ["tiny"]


def test_steps_measure_both_models(settings: Settings) -> None:
    results = list(section_named("steps").measure(settings))
    cases = [(each.case["part"], each.case["streams"]) for each in results]
    assert cases == [("semantic", 1), ("semantic", 2), ("coarse", 1), ("coarse", 2)]
    for result in results:
        metrics = result.metrics
        step, first = metrics["step_ms"], metrics["first_ms"]
        assert isinstance(step, float)
        assert isinstance(first, float)
        assert 0 < step < first  # the first output needs a prompt and some steps


def test_tuning_is_skipped_without_a_gpu(settings: Settings) -> None:
    (result,) = section_named("tune").measure(settings)
    assert result.status == "skipped"


def test_settings_round_trip_through_json() -> None:
    settings = Settings("cuda:1", "large", "/tmp/work", options={"attention": "flash"})
    assert Settings.parse(settings.to_json()) == settings
    assert settings.stage_options("bfloat16") == {
        "device": "cuda:1",
        "dtype": "bfloat16",
        "attention": "flash",
    }


def test_limits_of_one_shape_need_not_exceed_ten_minutes() -> None:
    """One command on a lent card; the budget of 300 s is used in this order."""
    assert sum(section.limit_s for section in SECTIONS) < 900
    assert sum(section.least_s for section in SECTIONS) < 300
