"""What a fault acts on."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

from tools.chaos.cluster import ORCHESTRATOR, Cluster
from tools.chaos.network import Network
from tools.chaos.replica import Replica
from tools.chaos.speaker import Speaker, Utterance

_POLL_S = 0.1


@dataclass
class Scene:
    """The services under load.

    Attributes:
        cluster: the services.
        draw: draws what is left open, such as the stage.
        store: the folder of created voices.
        utterances: what is spoken.
        speakers: the clients. All their streams count; a fault may add some.
        network: the machines, if this run has network namespaces.
        victims: replicas that the fault restarts; a restart of any other one is a failure.
        struck_s: time of the fault, of the clock time.monotonic().
        notes: what the fault itself found, for the table.
        failures: what the fault found wrong; any makes the run fail.
    """

    cluster: Cluster
    draw: random.Random
    store: Path
    utterances: list[Utterance]
    speakers: list[Speaker]
    network: Network | None = None
    victims: list[Replica] = field(default_factory=list)
    struck_s: float = field(default_factory=time.monotonic)
    notes: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def strike(self) -> None:
        """Note that the fault happens now."""
        self.struck_s = time.monotonic()

    def expect(self, holds: bool, what: str) -> None:
        """Note a failure unless a condition holds."""
        if not holds:
            self.failures.append(what)

    async def leavers(self, replica: Replica) -> Callable[[], Awaitable[bool]]:
        """Return a function that says whether a stream has left a replica since now."""
        before = await self._left(replica)

        async def have_left() -> bool:
            return await self._left(replica) > before

        return have_left

    async def _left(self, replica: Replica) -> int:
        if replica.service == ORCHESTRATOR:
            return await self.cluster.resumed_streams(other_than=replica)
        return self.cluster.moved_streams()


async def becomes(condition: Callable[[], Awaitable[bool]], within_s: float) -> bool:
    """Wait until a condition holds; False if it does not in time."""
    until = time.monotonic() + within_s
    while not await condition():
        if time.monotonic() > until:
            return False
        await asyncio.sleep(_POLL_S)
    return True
