"""The CPU cores that a process may run on (Linux)."""

import os
from collections.abc import Iterable, Sequence
from itertools import groupby, pairwise

from barkserve.errors import StartupError


def own_cores(option: str) -> list[int]:
    """The cores of this process, ascending.

    Args:
        option: what needs them, for the message.

    Raises:
        StartupError: this system cannot bind processes to cores.
    """
    if not hasattr(os, "sched_getaffinity"):
        raise StartupError(f"{option} works only on Linux: leave it out")
    return sorted(os.sched_getaffinity(0))


def run_on_cores(text: str) -> None:
    """Bind this process, and all threads that it starts from now on, to some cores.

    Args:
        text: a value of --cores, such as 0-3,8; empty: all cores.

    Raises:
        StartupError: the value names no cores, or cores that this process does not have.
    """
    if not text:
        return
    available, chosen = own_cores("--cores"), _parse(text)
    missing = sorted(chosen - set(available))
    if missing:
        raise StartupError(
            f"--cores: this process has no core {format_cores(missing)}; it has "
            f"{format_cores(available)}"
        )
    os.sched_setaffinity(0, chosen)


def divide_cores(cores: Sequence[int], processes: int) -> list[list[int]]:
    """Give each process adjacent cores of its own. The first ones get what is left over.

    Raises:
        StartupError: there are fewer cores than processes.
    """
    if len(cores) < processes:
        raise StartupError(
            f"--pin-cores needs a core for each of the {processes} processes, and there are "
            f"{len(cores)}: leave it out"
        )
    size, more = divmod(len(cores), processes)
    starts = [index * size + min(index, more) for index in range(processes + 1)]
    return [list(cores[start:end]) for start, end in pairwise(starts)]


def format_cores(cores: Iterable[int]) -> str:
    """Write ascending core numbers as --cores takes them: 0-3,8."""
    runs = groupby(enumerate(cores), lambda pair: pair[1] - pair[0])
    numbers = [[core for _, core in run] for _, run in runs]
    return ",".join(f"{run[0]}-{run[-1]}" if len(run) > 1 else f"{run[0]}" for run in numbers)


def _parse(text: str) -> set[int]:
    cores: set[int] = set()
    try:
        for part in text.split(","):
            first, _, last = part.partition("-")
            cores.update(range(int(first), int(last or first) + 1))
    except ValueError:
        cores.clear()
    if not cores:
        raise StartupError(f"--cores: {text!r} is not a list of cores, such as 0-3,8")
    return cores
