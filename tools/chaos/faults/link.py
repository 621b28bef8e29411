"""Faults of the network: a machine disappears, and no connection is closed."""

import asyncio
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tools.chaos.cluster import ORCHESTRATOR
from tools.chaos.replica import Replica
from tools.chaos.scene import Scene

STAGES_HOST, CLIENTS_HOST = 0, 1
CLIENT_STREAMS = 4
_FREED_WITHIN_S = 120.0


@asynccontextmanager
async def cut_stages(scene: Scene) -> AsyncIterator[None]:
    """Cut the link of the machine with the second replica of each stage."""
    assert scene.network is not None
    await scene.network.cut(STAGES_HOST)
    try:
        yield
    finally:
        await scene.network.restore(STAGES_HOST)


@asynccontextmanager
async def cut_clients(scene: Scene) -> AsyncIterator[None]:
    """Cut the link of a machine with clients, and wait until their streams are given up."""
    assert scene.network is not None
    orchestrator = scene.cluster.replicas[ORCHESTRATOR][0]
    port = orchestrator.address.rpartition(":")[2]
    target = f"{scene.network.gateway(CLIENTS_HOST)}:{port}"
    client = await asyncio.create_subprocess_exec(
        *scene.network.host(CLIENTS_HOST).prefix,
        sys.executable, "-m", "tools.chaos.far_client", target, str(CLIENT_STREAMS),
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert client.stdout is not None
    try:
        scene.expect(bool(await client.stdout.readline()), "the clients on the machine failed")
        connected = await orchestrator.streams()
        await scene.network.cut(CLIENTS_HOST)
        began = time.monotonic()
        yield
        # The ordinary streams have ended: the rest belongs to the clients on the machine.
        left = await _streams_left(orchestrator, began + _FREED_WITHIN_S)
        scene.expect(connected >= CLIENT_STREAMS, "the clients on the machine had no streams")
        scene.expect(not left, f"{left} streams of the lost clients are held")
        scene.notes.append(f"slots free after at most {time.monotonic() - began:.0f} s")
    finally:
        client.kill()
        await client.wait()
        await scene.network.restore(CLIENTS_HOST)


async def _streams_left(orchestrator: Replica, until_s: float) -> int:
    """Wait until a replica has no stream, at most until a time, and return how many it has."""
    while True:
        left = await orchestrator.streams()
        if not left or time.monotonic() > until_s:
            return left
        await asyncio.sleep(0.2)
