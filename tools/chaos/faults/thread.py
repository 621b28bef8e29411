"""Faults of single threads: frozen while the other threads of the process run.

A thread that is frozen while it holds Python's interpreter lock stops all other threads too, like
SIGSTOP. It is then released and frozen again, until only this thread is still.
"""

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from barkserve.constants import STAGES
from barkserve.errors import ReplicaStalled
from tools.chaos.faults.process import Strike, expect_exit
from tools.chaos.replica import Replica
from tools.chaos.scene import Scene, becomes

_TRIES = 40
_ANSWER_S = 1.0  # a process with a free interpreter lock answers its metrics port faster
_STILL_S = 0.5
_WATCHDOG_S = 90.0  # generous for the watchdogs of this run, which wait 10 s
_UTIME = 11  # index in /proc/PID/stat after the name


@asynccontextmanager
async def freeze_model_thread(scene: Scene) -> AsyncIterator[None]:
    """Freeze the thread of a busy stage that runs the model."""
    async with _frozen(scene, scene.draw.choice(STAGES), _model_thread):
        yield


def freeze_event_loop(*services: str) -> Strike:
    """Freeze the main thread of a busy replica of one of the services."""

    @asynccontextmanager
    async def strike(scene: Scene) -> AsyncIterator[None]:
        async with _frozen(scene, scene.draw.choice(services), lambda replica: replica.pid):
            yield

    return strike


@asynccontextmanager
async def _frozen(
    scene: Scene, service: str, thread_of: Callable[[Replica], int]
) -> AsyncIterator[None]:
    """Freeze a thread under a stream. The watchdog must end the process, and the stream move."""
    for _ in range(_TRIES):
        victim = await scene.cluster.busiest(service)
        have_left, exits = await scene.leavers(victim), len(victim.exit_codes)
        scene.strike()
        async with _freezing(thread_of(victim)) as frozen:
            if not frozen or not await _only_the_thread_is_still(victim):
                continue
            scene.victims.append(victim)
            yield
            await expect_exit(scene, victim, exits, ReplicaStalled.exit_code, _WATCHDOG_S)
            moved = await becomes(have_left, _ANSWER_S)
            scene.expect(moved, f"no stream left {victim.name}")
            scene.notes.append(f"{service}; exit code {ReplicaStalled.exit_code}")
            return
    scene.failures.append(f"no thread of {service} could be frozen under a stream")
    yield


async def _only_the_thread_is_still(victim: Replica) -> bool:
    """Whether a replica with a stream answers, and makes nothing."""
    before = await victim.metrics(_ANSWER_S)
    if not before.get("barkserve_streams"):
        return False
    await asyncio.sleep(_STILL_S)
    after = await victim.metrics(_ANSWER_S)
    made = "barkserve_outputs_total"
    return bool(after.get("barkserve_streams")) and before.get(made) == after.get(made)


def _model_thread(replica: Replica) -> int:
    """Return the thread beside the main one that has used the most CPU time."""
    ticks = {}
    for stat in Path(f"/proc/{replica.pid}/task").glob("*/stat"):
        fields = stat.read_text().rpartition(")")[2].split()
        ticks[int(stat.parent.name)] = int(fields[_UTIME])
    del ticks[replica.pid]
    return max(ticks, key=lambda tid: ticks[tid])


@asynccontextmanager
async def _freezing(tid: int) -> AsyncIterator[bool]:
    """Freeze a thread for the duration of the block. Yields False if it cannot be frozen."""
    tracer = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tools.chaos.freeze_thread", str(tid),
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert tracer.stdin is not None
    assert tracer.stdout is not None
    try:
        yield bool(await tracer.stdout.readline())
    finally:
        tracer.stdin.close()
        await tracer.wait()
