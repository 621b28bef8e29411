"""Processes are bound to cores."""

import os
import subprocess
import sys

import pytest

from barkserve.config.up import UpOptions
from barkserve.cores import divide_cores, format_cores, own_cores, run_on_cores
from barkserve.errors import StartupError
from barkserve.up.plan import PlannedService, pin_cores

on_linux = pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="needs Linux")


@pytest.mark.parametrize(
    ("cores", "text"), [([0], "0"), ([0, 1, 2, 3], "0-3"), ([1, 4, 5, 9], "1,4-5,9"), ([], "")]
)
def test_cores_are_written_as_ranges(cores: list[int], text: str) -> None:
    assert format_cores(cores) == text


def test_divided_cores_are_adjacent_and_leave_none_over() -> None:
    shares = divide_cores([0, 1, 2, 3, 8, 9, 10, 11], 3)
    assert shares == [[0, 1, 2], [3, 8, 9], [10, 11]]
    with pytest.raises(StartupError, match="--pin-cores needs a core for each of the 9 processes"):
        divide_cores(range(8), 9)


@on_linux
def test_process_and_its_threads_run_on_the_chosen_cores() -> None:
    core = own_cores("--cores")[-1]
    program = (
        "import os, threading; from barkserve.cores import run_on_cores;"
        f"run_on_cores('{core}'); seen = [];"
        "thread = threading.Thread(target=lambda: seen.append(os.sched_getaffinity(0)));"
        "thread.start(); thread.join(); print(seen)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], env=os.environ, capture_output=True, text=True, timeout=60
    )
    assert done.stdout == f"[{{{core}}}]\n", done.stderr


@on_linux
@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a", "--cores: 'a' is not a list of cores, such as 0-3,8"),
        ("3-1", "--cores: '3-1' is not a list of cores"),
        ("0,4096", "--cores: this process has no core 4096; it has "),
    ],
)
def test_wrong_cores_are_named(text: str, message: str) -> None:
    with pytest.raises(StartupError, match=message):
        run_on_cores(text)


@on_linux
def test_no_cores_means_all() -> None:
    before = os.sched_getaffinity(0)
    run_on_cores("")
    assert os.sched_getaffinity(0) == before


@on_linux
def test_up_gives_each_process_cores_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(4)))
    planned = [PlannedService(name, True, "127.0.0.1", 1, (name,)) for name in ("coarse", "fine")]
    pinned = pin_cores(planned, "cuda")
    assert [each.arguments for each in pinned] == [
        ("coarse", "--cores=0-1"),
        ("fine", "--cores=2-3"),
    ]
    with pytest.raises(StartupError, match="--pin-cores needs a GPU"):
        pin_cores(planned, UpOptions.device)
