"""Garbage collections of a running service skip what its start made."""

import subprocess
import sys

PROGRAM = """
import gc
import barkserve.building.orchestrator
from barkserve.serving.garbage import ignore_present_objects

before = len(gc.get_objects())
ignore_present_objects()
assert gc.get_freeze_count() > 0.9 * before
loop = []
loop.append(loop)
del loop
assert gc.collect() == 1
print(len(gc.get_objects()) / before)
"""


def test_present_objects_are_not_collected_again() -> None:
    """In a process of its own, because it cannot be undone for single objects."""
    run = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert float(run.stdout) < 0.1
