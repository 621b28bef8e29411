"""Faults of the network: a machine disappears, and no connection is closed."""

import asyncio
import socket
import struct
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from barkserve.constants import STAGES
from tools.chaos.cluster import ORCHESTRATOR
from tools.chaos.scene import Scene, becomes

STAGES_HOST, CLIENTS_HOST = 0, 1
CLIENT_STREAMS = 4
_CLOSED_WITHIN_S = 120.0
_NOTICE_S = 30.0
_TRIES = 5
_ESTABLISHED = "01"
_TABLES = ("/proc/net/tcp", "/proc/net/tcp6")


@asynccontextmanager
async def cut_stages(scene: Scene) -> AsyncIterator[None]:
    """Cut the link of the machine with the second replica of each stage."""
    assert scene.network is not None
    far = [scene.cluster.replicas[stage][-1] for stage in STAGES]
    have_left = await scene.leavers(far[0])

    async def have_streams() -> bool:
        return sum(await asyncio.gather(*(each.streams() for each in far))) > 1

    try:
        for _ in range(_TRIES):
            await becomes(have_streams, _NOTICE_S)
            scene.strike()
            await scene.network.cut(STAGES_HOST)
            if await becomes(have_left, _NOTICE_S):
                break
            await scene.network.restore(STAGES_HOST)
            await scene.cluster.serving()
        else:
            scene.failures.append(f"the lost machine hit no stream in {_TRIES} tries")
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
        peer = scene.network.host(CLIENTS_HOST).address
        scene.expect(_connections_from(peer) > 0, "the clients on the machine are not connected")
        scene.strike()
        await scene.network.cut(CLIENTS_HOST)
        closing = asyncio.create_task(_seconds_until_closed(peer))
        yield
        closed_s = await closing
        # The ordinary streams have ended: the rest belongs to the clients on the machine.
        left = await orchestrator.streams()
        scene.expect(not left, f"{left} streams of the lost clients are held")
        scene.expect(closed_s < _CLOSED_WITHIN_S, "the connection was not closed")
        scene.notes.append(f"connection closed after {closed_s:.0f} s")
    finally:
        client.kill()
        await client.wait()
        await scene.network.restore(CLIENTS_HOST)


async def _seconds_until_closed(peer: str) -> float:
    """Wait until no connection from an address is left, at most _CLOSED_WITHIN_S."""
    began = time.monotonic()
    while (waited := time.monotonic() - began) < _CLOSED_WITHIN_S:
        if not _connections_from(peer):
            break
        await asyncio.sleep(0.2)
    return waited


def _connections_from(peer: str) -> int:
    """Count the established TCP connections of this machine from an address."""
    (number,) = struct.unpack("<I", socket.inet_aton(peer))
    lines = [line for table in _TABLES for line in Path(table).read_text().splitlines()[1:]]
    fields = [line.split() for line in lines]
    return sum(
        remote.partition(":")[0].endswith(f"{number:08X}") and state == _ESTABLISHED
        for _, _, remote, state, *_ in fields
    )
