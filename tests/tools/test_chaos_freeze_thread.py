"""One thread of another process can be frozen while its other threads run."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="reads /proc")

TWO_THREADS = """
import threading, time
threading.Thread(target=time.sleep, args=(1000,), daemon=True).start()
print(flush=True)
input()
"""


def state(pid: int, tid: int) -> str:
    """The state of a thread: t is stopped by a tracer, S sleeps."""
    return Path(f"/proc/{pid}/task/{tid}/stat").read_text().rpartition(")")[2].split()[0]


def wait_for(pid: int, tid: int, expected: str) -> None:
    """Wait until a thread has a state: it needs a moment to reach its next sleep."""
    until = time.monotonic() + 20
    while state(pid, tid) != expected:
        assert time.monotonic() < until, f"{state(pid, tid)} instead of {expected}"
        time.sleep(0.01)


def test_freeze_stops_one_thread_until_it_ends() -> None:
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", TWO_THREADS], **pipes) as victim:
        victim.stdout.readline()
        (other,) = {int(each) for each in os.listdir(f"/proc/{victim.pid}/task")} - {victim.pid}
        freeze = [sys.executable, "-m", "tools.chaos.freeze_thread", str(other)]
        with subprocess.Popen(freeze, **pipes) as tracer:
            line = tracer.stdout.readline()
            if not line:
                victim.kill()
                pytest.skip("this machine forbids ptrace")
            assert line == b"frozen\n"
            wait_for(victim.pid, other, "t")
            wait_for(victim.pid, victim.pid, "S")
        assert tracer.returncode == 0
        wait_for(victim.pid, other, "S")
        victim.communicate(b"\n")
    assert victim.returncode == 0
