"""`barkclient plan`, and the files that it reads."""

import json
from pathlib import Path

import pytest

from barkclient.__main__ import run
from barkclient.bench.results import WrongResultsFormat
from barkserve.simulation.profile import Profile, read_profile, to_results
from fixtures.profiles import fast_profile


def slow_profile() -> Profile:
    """Each replica serves a few streams, so that the simulated cells are small."""
    fast = fast_profile(slots=4)
    return fast.with_slower("fine", 8).with_slower("codec", 20)


@pytest.fixture
def profile_file(tmp_path: Path) -> Path:
    path = tmp_path / "profile.json"
    to_results(slow_profile(), {"gpu": "invented"}, "tests").write(path)
    return path


def plan(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, object]:
    assert run(["plan", "--json", *arguments], {}) == 0
    planned: dict[str, object] = json.loads(capsys.readouterr().out)
    return planned


def test_profile_is_read_as_it_was_written(profile_file: Path) -> None:
    read, written = read_profile(profile_file), slow_profile()
    assert read.stages == written.stages
    assert read.chunks == written.chunks
    assert read.audio_s == written.audio_s
    assert read.rates.coarse.ratio == pytest.approx(written.rates.coarse.ratio)


def test_profile_without_stages_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    path.write_text(
        '{"format": "barkserve-results/1", "tool": "x", "machine": {}, "method": {}, "results": []}'
    )
    with pytest.raises(WrongResultsFormat, match="no profile of semantic"):
        read_profile(path)


def test_plan_sizes_each_stage(capsys: pytest.CaptureFixture[str], profile_file: Path) -> None:
    common = ("--profile", str(profile_file), "--gpu-cost-per-hour", "4")
    small = plan(capsys, *common, "--streams", "3")
    large = plan(capsys, *common, "--streams", "100000")
    assert small["reached"] is True
    assert small["gpus"] == 4
    assert small["cost_per_speech_hour"] == 5.33333
    assert large["simulated_streams"] != 100_000
    per_replica = large["stages"]["coarse"]["streams_per_replica"]  # type: ignore[index]
    replicas = large["stages"]["coarse"]["replicas"]  # type: ignore[index]
    assert replicas == pytest.approx(100_000 / per_replica, rel=0.01)


def test_plan_names_a_missing_profile(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["plan", "--profile", "missing.json"], {}) == 2
    assert "missing.json" in capsys.readouterr().err


def test_plan_draws_a_plot(
    capsys: pytest.CaptureFixture[str], profile_file: Path, tmp_path: Path
) -> None:
    plot = tmp_path / "plan.png"
    plan(capsys, "--profile", str(profile_file), "--streams", "2", "--plot", str(plot))
    assert plot.read_bytes().startswith(b"\x89PNG")
