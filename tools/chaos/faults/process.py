"""Faults of processes and threads: killed, drained, stopped, frozen."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

from barkserve.constants import STAGES
from tools.chaos.cluster import ORCHESTRATOR
from tools.chaos.replica import Replica
from tools.chaos.scene import Scene

Strike = Callable[[Scene], AbstractAsyncContextManager[None]]

_CPU_SAMPLE_S = 0.5
_UTIME = 11  # index in /proc/PID/stat after the name


@asynccontextmanager
async def nothing(scene: Scene) -> AsyncIterator[None]:
    """Cause no fault: the row to compare the others with."""
    yield


def kill(service: str) -> Strike:
    """Send SIGKILL to a busy replica. It starts again."""

    @asynccontextmanager
    async def strike(scene: Scene) -> AsyncIterator[None]:
        (await scene.cluster.busiest(service)).send(signal.SIGKILL)
        yield

    return strike


@asynccontextmanager
async def roll_stages(scene: Scene) -> AsyncIterator[None]:
    """Send SIGTERM to a busy replica of each stage. Each drains and starts again."""
    for stage in STAGES:
        (await scene.cluster.busiest(stage)).send(signal.SIGTERM)
    yield


@asynccontextmanager
async def roll_orchestrator(scene: Scene) -> AsyncIterator[None]:
    """Send SIGTERM to a busy orchestrator. It drains and starts again."""
    (await scene.cluster.busiest(ORCHESTRATOR)).send(signal.SIGTERM)
    yield


def stop(*services: str) -> Strike:
    """Send SIGSTOP to a busy replica of one of the services, and SIGCONT at the end."""

    @asynccontextmanager
    async def strike(scene: Scene) -> AsyncIterator[None]:
        victim = await scene.cluster.busiest(scene.draw.choice(services))
        scene.notes.append(victim.service)
        victim.send(signal.SIGSTOP)
        try:
            yield
        finally:
            victim.send(signal.SIGCONT)

    return strike


def freeze_event_loop(*services: str) -> Strike:
    """Freeze the main thread of a busy replica of one of the services."""

    @asynccontextmanager
    async def strike(scene: Scene) -> AsyncIterator[None]:
        victim = await scene.cluster.busiest(scene.draw.choice(services))
        async with _frozen(scene, victim, victim.pid):
            yield

    return strike


@asynccontextmanager
async def freeze_model_thread(scene: Scene) -> AsyncIterator[None]:
    """Freeze the thread of a busy stage that runs the model."""
    victim = await scene.cluster.busiest(scene.draw.choice(STAGES))
    while (tid := await _computing_thread(victim)) is None:
        victim = await scene.cluster.busiest(victim.service)
    async with _frozen(scene, victim, tid):
        yield


async def _computing_thread(replica: Replica) -> int | None:
    """Return the thread beside the main one that uses the most CPU time, None if all wait."""
    before = _cpu_ticks(replica.pid)
    await asyncio.sleep(_CPU_SAMPLE_S)
    after = _cpu_ticks(replica.pid)
    used = {
        tid: ticks - before[tid]
        for tid, ticks in after.items()
        if tid in before and tid != replica.pid
    }
    tid = max(used, key=lambda each: used[each], default=None)
    return (
        tid
        if tid is not None and used[tid] >= _CPU_SAMPLE_S * os.sysconf("SC_CLK_TCK") / 10
        else None
    )


def _cpu_ticks(pid: int) -> dict[int, int]:
    ticks = {}
    for stat in Path(f"/proc/{pid}/task").glob("*/stat"):
        fields = stat.read_text().rpartition(")")[2].split()
        ticks[int(stat.parent.name)] = int(fields[_UTIME])
    return ticks


@asynccontextmanager
async def _frozen(scene: Scene, victim: Replica, tid: int) -> AsyncIterator[None]:
    starts = victim.starts
    tracer = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tools.chaos.freeze_thread", str(tid),
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert tracer.stdin is not None
    assert tracer.stdout is not None
    frozen = await tracer.stdout.readline()
    scene.expect(bool(frozen), f"thread {tid} of {victim.name} could not be frozen")
    try:
        yield
    finally:
        restarted = "was restarted" if victim.starts > starts else "went on"
        scene.notes.append(f"{victim.service}; it {restarted}")
        tracer.stdin.close()
        await tracer.wait()
