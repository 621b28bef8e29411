"""The first text after the start needs nothing that is not there yet."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from fixtures.checkpoints import TINY, CheckpointSpec

ROOT = Path(__file__).parents[2]


@pytest.mark.skipif(sys.platform != "linux", reason="counts threads in /proc")
def test_first_text_imports_and_opens_nothing(
    checkpoint_of: Callable[[CheckpointSpec], Path],
) -> None:
    """Sampled, streamed, with the default voice: all of it was used once before ready."""
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, "-m", "tests.support.first_use", str(checkpoint_of(TINY))],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    used = json.loads(done.stdout)
    control = [event for event in used["events"] if "colorsys" in event[1]]
    assert control  # the hook records imports
    assert [event for event in used["events"] if event not in control] == []
    assert used["threads"] == []
