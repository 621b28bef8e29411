"""The MPS daemon of `barkserve up`, with a stand-in for NVIDIA's program."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from barkserve.errors import StartupError
from barkserve.up.mps import CONTROL, PIPE_VARIABLE, mps_daemon

PROGRAM = """#!/bin/sh
echo "$@ $CUDA_MPS_PIPE_DIRECTORY" >> {log}
test -d "$CUDA_MPS_PIPE_DIRECTORY" && test -d "$CUDA_MPS_LOG_DIRECTORY" && echo folders >> {log}
if [ "$1" = -d ]; then {start}; else cat >> {log}; fi
"""


class Control:
    """A stand-in for nvidia-cuda-mps-control that records its calls."""

    def __init__(self, folder: Path, start: str = "true") -> None:
        self._log = folder / "calls"
        self._log.touch()
        program = folder / CONTROL
        program.write_text(PROGRAM.format(log=self._log, start=start))
        program.chmod(0o755)

    def calls(self) -> list[str]:
        return self._log.read_text().splitlines()


def gone(path: str) -> bool:
    return not Path(path).exists()


@pytest.fixture
def on_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.delenv(PIPE_VARIABLE, raising=False)
    return tmp_path


@pytest.mark.parametrize("mode", ["auto", "on"])
async def test_daemon_runs_for_the_block_in_its_own_folder(on_path: Path, mode: str) -> None:
    control, said = Control(on_path), list[str]()
    async with mps_daemon(mode, "cuda:1", said.append) as variables:
        pipe = variables[PIPE_VARIABLE]
        assert control.calls() == [f"-d {pipe}", "folders"]
        assert len(pipe) < 90  # sockets in it have names of at most 107 bytes
    assert control.calls()[2:] == [f" {pipe}", "folders", "quit"]
    assert gone(pipe)
    assert said == []


@pytest.mark.usefixtures("on_path")
async def test_missing_program_is_an_error_only_if_required() -> None:
    async with mps_daemon("auto", "cuda", pytest.fail) as variables:
        assert variables == {}
    with pytest.raises(StartupError, match=rf"--mps on: {CONTROL} is not on the PATH.*--mps off"):
        async with mps_daemon("on", "cuda", pytest.fail):
            pytest.fail("there is no daemon")


async def test_failed_daemon_is_an_error_only_if_required(on_path: Path) -> None:
    control, said = Control(on_path, start="exit 3"), list[str]()
    async with mps_daemon("auto", "cuda", said.append) as variables:
        assert variables == {}
    assert said == [f"running without MPS: {CONTROL} -d ended with exit code 3"]
    with pytest.raises(StartupError, match=r"--mps on: .* ended with exit code 3. Use --mps off"):
        async with mps_daemon("on", "cuda", said.append):
            pytest.fail("there is no daemon")
    assert "quit" not in control.calls()


@pytest.mark.parametrize(("mode", "device"), [("off", "cuda"), ("auto", "cpu"), ("auto", "mps")])
async def test_no_daemon_where_it_is_not_wanted(on_path: Path, mode: str, device: str) -> None:
    control = Control(on_path)
    async with mps_daemon(mode, device, pytest.fail) as variables:
        assert variables == {}
    assert control.calls() == []


async def test_daemon_of_the_user_is_kept(on_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    control = Control(on_path)
    monkeypatch.setenv(PIPE_VARIABLE, "/run/mps")
    async with mps_daemon("auto", "cuda", pytest.fail) as variables:
        assert variables == {}  # the services inherit the user's
    assert control.calls() == []


async def test_required_daemon_needs_a_gpu(on_path: Path) -> None:
    Control(on_path)
    with pytest.raises(StartupError, match="--mps on needs --device cuda, and the device is cpu"):
        async with mps_daemon("on", "cpu", pytest.fail):
            pytest.fail("there is no daemon")


def test_up_stops_the_daemon_when_a_stage_cannot_start(on_path: Path) -> None:
    """Here the stages find no GPU. Their processes got the daemon's folder."""
    control = Control(on_path)
    ports = [f"--{name}port=0" for name in ("", "http-", "metrics-", "wyoming-")]
    done = subprocess.run(
        [sys.executable, "-m", "barkserve", "up", "--device=cuda", "--voice-store=none", *ports],
        env=os.environ,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 1
    assert "--device cuda: torch sees no CUDA device here" in done.stderr
    assert control.calls()[0].startswith("-d ")
    assert control.calls()[-1] == "quit"
