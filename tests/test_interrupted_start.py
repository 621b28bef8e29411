"""Ctrl-C while a command is imported."""

import os
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("module", ["barkclient_command", "barkserve.command"])
def test_interrupted_import_prints_nothing(module: str, tmp_path: Path) -> None:
    """The module grpc, which both commands import, stands for Ctrl-C in the middle."""
    (tmp_path / "grpc.py").write_text(
        "import os, signal, time\nos.kill(os.getpid(), signal.SIGINT)\ntime.sleep(60)\n"
    )
    paths = (tmp_path, ROOT / "services", ROOT / "clients/python")
    done = subprocess.run(
        [sys.executable, "-c", f"from {module} import main; main()"],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(map(str, paths))},
        capture_output=True,
        timeout=60,
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),  # if tests ignore it
    )
    assert (done.returncode, done.stdout, done.stderr) == (-signal.SIGINT, b"", b"")
