"""The bundle of the GPU benchmark for a machine without network."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import barkclient
from tools import bench_bundle
from tools.bench_bundle import check_size, pack_sources, wheels_needed

PROGRAM = """
import sys
from importlib.metadata import version
import barkclient, barkserve, extra, fixtures
for module in (barkclient, barkserve, extra, fixtures):
    print(module.__file__)
print(sys.argv[1:])
print(version("barkserve"))
"""


def test_wheels_are_those_that_the_machine_lacks() -> None:
    names = {package.split("==")[0] for package in wheels_needed(["torch", "transformers"])}
    assert {"grpcio", "grpcio-health-checking", "protobuf", "soundfile", "sentencex"} <= names
    assert not names & {"torch", "numpy", "tokenizers", "safetensors", "av", "kubernetes"}
    everything = {package.split("==")[0] for package in wheels_needed([])}
    assert {"numpy", "tokenizers", "safetensors"} <= everything


def test_bundle_runs_its_own_sources_and_wheels(tmp_path: Path) -> None:
    bundle = tmp_path / "bundle"
    pack_sources(bundle)
    assert (bundle / "benchmarks" / "gpu" / "driver.py").exists()
    assert not list(bundle.rglob("*.safetensors"))
    assert not (bundle / "benchmarks" / "results").exists()
    (bundle / "wheels").mkdir()
    with zipfile.ZipFile(bundle / "wheels" / "extra-1-py3-none-any.whl", "w") as wheel:
        wheel.writestr("extra.py", "")
    (bundle / "benchmarks" / "gpu" / "__main__.py").write_text(PROGRAM)
    command = [sys.executable, "run.py", "--budget", "9"]
    shown = subprocess.run(command, cwd=bundle, capture_output=True, text=True, check=True)
    *files, options, version = shown.stdout.splitlines()
    assert all(Path(file).is_relative_to(bundle) for file in files)
    assert options == "['--budget', '9']"
    assert version == barkclient.__version__


def test_bundle_that_is_too_large_names_its_largest_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "large.whl").write_bytes(bytes(3000))
    (tmp_path / "small.py").write_bytes(bytes(10))
    assert check_size(tmp_path) == 3010 / 2**20
    monkeypatch.setattr(bench_bundle, "LIMIT_MIB", 0.001)
    with pytest.raises(SystemExit, match=r"--there. The largest files: large.whl, small.py"):
        check_size(tmp_path)
