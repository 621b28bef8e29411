"""Checks of the machine: cores, memory, file limits and clock."""

import os
import resource
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from barkserve.config.doctor import DoctorOptions
from barkserve.doctor.finding import Finding, ok, problem, warning
from barkserve.engine.core_share import available_cores

_CGROUP = Path("/sys/fs/cgroup")
_CGROUP_V1 = ("memory/memory.limit_in_bytes", "cpu/cpu.cfs_quota_us", "cpu/cpu.cfs_period_us")
_FILES_OF_A_PROCESS = 128
_FILES_PER_STREAM = 4
_DAY_S = 86_400.0
_NO_LIMIT_BYTES = 1 << 60  # cgroup v1 writes a huge number for "none"


def check_cores(options: DoctorOptions) -> Iterator[Finding]:
    """Compare the threads of a model with the cores that it may use."""
    cores, quota = available_cores(), cpu_quota()
    threads = options.threads
    if threads > cores:
        yield problem(
            "cores",
            f"--threads {threads}, and this process may use {cores} cores: each step waits for "
            "threads that share a core",
            f"use --threads {cores} or less, or leave it out",
        )
    elif quota is not None and quota < cores and options.device == "cpu" and not threads:
        yield warning(
            "cores",
            f"the container may use the time of {quota:.1f} cores, and it sees {cores}: threads on "
            "all of them are throttled",
            f"give --threads {max(1, int(quota))}, or raise the container's CPU limit",
        )
    elif cores < 2:
        yield warning("cores", "one core for five services", "give this machine at least two")
    else:
        limit = "" if quota is None else f", with the time of {quota:.1f}"
        yield ok("cores", f"{cores} cores{limit}")


def check_files(options: DoctorOptions) -> Iterator[Finding]:
    """Compare the limit of open files with what --max-streams needs."""
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = _FILES_OF_A_PROCESS + _FILES_PER_STREAM * options.max_streams
    if limit != resource.RLIM_INFINITY and limit < needed:
        yield problem(
            "files",
            f"a process may have {limit} files open, and --max-streams {options.max_streams} needs "
            f"up to {needed}",
            "raise the limit: ulimit -n 65536, LimitNOFILE= of a systemd unit, or --ulimit "
            "nofile=65536 of docker run",
        )
        return
    yield ok("files", f"limit of open files: {limit}; {needed} are needed at most")


def check_clock(options: DoctorOptions) -> Iterator[Finding]:
    """Check that the clock is not before the installation of this program."""
    installed = Path(__file__).stat().st_mtime
    behind_s = installed - time.time()
    if behind_s > _DAY_S:
        yield problem(
            "clock",
            f"the clock says {time.strftime('%Y-%m-%d', time.gmtime(time.time()))}, which is "
            f"{behind_s / _DAY_S:.0f} days before this program was installed: certificates and "
            "JSON web tokens count as not valid yet",
            "set the clock: timedatectl set-ntp true, or start chrony",
        )
        return
    yield ok("clock", time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(time.time())))


def memory_findings(needed_bytes: int) -> Iterator[Finding]:
    """Compare the memory of this machine or container with what the services need."""
    total, available = memory_bytes()
    if total is None:
        yield ok("memory", "unknown on this system")
    elif total < needed_bytes:
        yield problem(
            "memory",
            f"{_gib(total)} of memory, and the services need about {_gib(needed_bytes)}",
            "use a smaller checkpoint, such as suno/bark-small, --dtype bfloat16, or a machine "
            "or container with more memory",
        )
    elif available < needed_bytes:
        yield warning(
            "memory",
            f"{_gib(available)} of {_gib(total)} are free, and services that start now need about "
            f"{_gib(needed_bytes)}",
            "stop other programs, unless the services run already",
        )
    else:
        yield ok("memory", f"{_gib(available)} free, about {_gib(needed_bytes)} needed")


def cpu_quota() -> float | None:
    """Return the cores whose time the cgroup allows; None: no limit."""
    words = _read(_CGROUP / "cpu.max").split()
    if not words:
        words = [_read(_CGROUP / name) for name in _CGROUP_V1[1:]]
    quota, period = words
    return int(quota) / int(period) if quota.isdigit() else None


def memory_bytes() -> tuple[int | None, int]:
    """Return the memory that this process may use in total, and what is free; None: unknown."""
    if sys.platform != "linux":
        return None, 0
    lines = (line.split() for line in Path("/proc/meminfo").read_text().splitlines())
    known = {words[0]: int(words[1]) * 1024 for words in lines}
    total, free = known["MemTotal:"], known["MemAvailable:"]
    limit = _read(_CGROUP / "memory.max") or _read(_CGROUP / _CGROUP_V1[0])
    if limit.isdigit() and int(limit) < min(total, _NO_LIMIT_BYTES):
        used = int(_read(_CGROUP / "memory.current") or 0)
        return int(limit), min(free, int(limit) - used)
    return total, free


def _read(path: Path) -> str:
    return path.read_text().strip() if os.access(path, os.R_OK) else ""


def _gib(count: float) -> str:
    return f"{count / 2**30:.1f} GiB"
