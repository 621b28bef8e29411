"""Faults of processes: killed, drained, stopped. Each is repeated until it hits a stream."""

import signal
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from tools.chaos.replica import Replica
from tools.chaos.scene import Scene, becomes

Strike = Callable[[Scene], AbstractAsyncContextManager[None]]

_TRIES = 5
_NOTICE_S = 30.0  # until a stream leaves a lost replica; three seconds on a machine with free cores
_DRAIN_S = 150.0


@asynccontextmanager
async def nothing(scene: Scene) -> AsyncIterator[None]:
    """Cause no fault: the row to compare the others with."""
    yield


def kill(service: str) -> Strike:
    """Send SIGKILL to a busy replica. It starts again."""

    @asynccontextmanager
    async def strike(scene: Scene) -> AsyncIterator[None]:
        for _ in range(_TRIES):
            victim = await scene.cluster.busiest(service)
            have_left = await scene.leavers(victim)
            scene.victims.append(victim)
            scene.strike()
            victim.send(signal.SIGKILL)
            if await becomes(have_left, _NOTICE_S):
                break
            await scene.cluster.serving()
        else:
            scene.failures.append(f"SIGKILL of {service} hit no stream in {_TRIES} tries")
        yield

    return strike


def roll(*services: str) -> Strike:
    """Send SIGTERM to a busy replica of each service. Each drains and starts again."""

    @asynccontextmanager
    async def strike(scene: Scene) -> AsyncIterator[None]:
        ends = []
        for service in services:
            victim = await scene.cluster.busiest(service)
            ends.append((victim, len(victim.exit_codes)))
            victim.send(signal.SIGTERM)
        scene.victims += [victim for victim, _ in ends]
        yield
        for victim, before in ends:
            await expect_exit(scene, victim, before, 0, _DRAIN_S)

    return strike


def stop(*services: str) -> Strike:
    """Send SIGSTOP to a busy replica of one of the services, and SIGCONT at the end."""

    @asynccontextmanager
    async def strike(scene: Scene) -> AsyncIterator[None]:
        service = scene.draw.choice(services)
        victim = None
        try:
            for _ in range(_TRIES):
                victim = await scene.cluster.busiest(service)
                have_left = await scene.leavers(victim)
                scene.strike()
                victim.send(signal.SIGSTOP)
                if await becomes(have_left, _NOTICE_S):
                    break
                victim.send(signal.SIGCONT)
                await scene.cluster.serving()
            else:
                scene.failures.append(f"SIGSTOP of {service} hit no stream in {_TRIES} tries")
            scene.notes.append(service)
            yield
        finally:
            if victim is not None:
                victim.send(signal.SIGCONT)

    return strike


async def expect_exit(
    scene: Scene, victim: Replica, before: int, code: int, within_s: float
) -> None:
    """Wait until a process ends, and note a failure unless it ends with an exit code in time.

    Args:
        scene: gets the failure.
        victim: the replica.
        before: the number of its processes that had ended before the fault.
        code: the expected exit code.
        within_s: the time that it has.
    """

    async def has_ended() -> bool:
        return len(victim.exit_codes) > before

    await becomes(has_ended, within_s)
    ended = victim.exit_codes[before:]
    scene.expect(
        ended == [code],
        f"{victim.name} ended with {ended or 'nothing'} instead of exit code {code}",
    )
