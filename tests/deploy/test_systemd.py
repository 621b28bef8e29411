"""The systemd unit: systemd accepts it, and its options fit `barkserve up`."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from barkserve.config.up import UpOptions
from barkserve.options import unknown_variables
from barkserve.up import children
from tests.support.snippets import snippets

UNIT = (Path(__file__).parents[2] / "deploy/barkserve.service").read_text()
_WORST = 20
"""Tenths of `systemd-analyze security`; 100 is a service without any hardening."""


(DROP_IN,) = (each.text for each in snippets() if each.language == "ini")


def settings(name: str, text: str = UNIT) -> list[str]:
    return re.findall(rf"^{name}=(.*)$", text, re.MULTILINE)


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd")
@pytest.mark.parametrize("drop_in", ["", DROP_IN], ids=["unit", "documented drop-in"])
def test_systemd_accepts_the_hardened_unit(tmp_path: Path, drop_in: str) -> None:
    unit = tmp_path / "barkserve.service"
    unit.write_text(UNIT.replace("/opt/barkserve/bin/barkserve", sys.executable))
    (tmp_path / "barkserve.service.d").mkdir()
    (tmp_path / "barkserve.service.d/override.conf").write_text(drop_in)
    for words in (
        ["verify", "--man=no", str(unit)],
        ["security", "--offline=true", f"--threshold={_WORST}", str(unit)],
    ):
        checked = subprocess.run(
            ["systemd-analyze", *words], capture_output=True, text=True, timeout=60
        )
        assert checked.returncode == 0, checked.stdout + checked.stderr
        assert "barkserve.service" not in checked.stderr


def test_unit_gives_barkserve_time_to_drain() -> None:
    variables = dict(
        word.split("=", 1)
        for line in settings("Environment", UNIT + DROP_IN)
        for word in line.split()
    )
    assert unknown_variables(variables, [UpOptions]) == []
    (command,) = settings("ExecStart")
    assert command.endswith("/barkserve up")
    drain_s = float(variables["BARKSERVE_DRAIN_SECONDS"])
    (stop_s,) = map(float, settings("TimeoutStopSec"))
    assert stop_s > 2 * (drain_s + children._KILL_AFTER_S)
    assert settings("KillMode") == ["mixed"]  # `up` stops the orchestrator before the stages
