"""Two replicas of each stage and two orchestrators, each a process of its own."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from barkserve.constants import STAGES
from tools.chaos.replica import Host, Replica

ORCHESTRATOR = "orchestrator"
_STARTUP_S = 400.0
_STAGE_FLAGS = ("--threads=1", "--drain-seconds=120")
_MOVED = (b"moving a stream: ", b"a stream lost its replica and tries again: ")
"""What an orchestrator logs when a stream leaves a replica of a stage."""


class Cluster:
    """The services.

    Args:
        folder: gets the logs.
        replicas: the number of replicas of each service.
        hosts: where they run; replica N runs on host N, the last ones on the last host.
        stage_flags: more options of every stage.
        orchestrator_flags: more options of every orchestrator.
    """

    def __init__(
        self,
        folder: Path,
        replicas: dict[str, int],
        hosts: Sequence[Host] = (Host(),),
        stage_flags: Sequence[str] = (),
        orchestrator_flags: Sequence[str] = (),
    ) -> None:
        def build(service: str, flags: Sequence[str]) -> list[Replica]:
            return [
                Replica(service, number, hosts[min(number, len(hosts) - 1)], flags, folder)
                for number in range(replicas[service])
            ]

        flags = (*_STAGE_FLAGS, *stage_flags)
        self.replicas: dict[str, list[Replica]] = {stage: build(stage, flags) for stage in STAGES}
        addresses = [
            f"--{stage}=" + ",".join(replica.address for replica in self.replicas[stage])
            for stage in STAGES
        ]
        # Clients reach the orchestrators on this machine only.
        flags = (*addresses, "--drain-seconds=120", *orchestrator_flags)
        self.replicas[ORCHESTRATOR] = [
            Replica(ORCHESTRATOR, number, hosts[0], flags, folder)
            for number in range(replicas[ORCHESTRATOR])
        ]

    @property
    def all(self) -> list[Replica]:
        """All replicas of all services."""
        return [replica for replicas in self.replicas.values() for replica in replicas]

    def target(self, first: int = 0) -> str:
        """Return the address of all orchestrators for a client, one of them first."""
        addresses = [replica.address for replica in self.replicas[ORCHESTRATOR]]
        start = first % len(addresses)
        return "ipv4:" + ",".join(addresses[start:] + addresses[:start])

    async def serving(self) -> None:
        """Wait until every replica is healthy."""
        async with asyncio.timeout(_STARTUP_S):
            await asyncio.gather(*(replica.serving() for replica in self.all))

    async def reconfigure(self, flags: Sequence[str]) -> None:
        """Start the orchestrators again with other options, unless they have them already."""
        changed = [each for each in self.replicas[ORCHESTRATOR] if each.reconfigure(flags)]
        await asyncio.gather(*(replica.serving() for replica in changed))

    async def busiest(self, service: str) -> Replica:
        """Wait until a replica of a service has a stream, and return the one with the most."""
        async with asyncio.timeout(_STARTUP_S):
            while True:
                replicas = self.replicas[service]
                counts = await asyncio.gather(*(replica.streams() for replica in replicas))
                if max(counts):
                    return replicas[counts.index(max(counts))]
                await asyncio.sleep(0.02)

    def moved_streams(self) -> int:
        """Count how often a stream left a replica of a stage, in the logs of all orchestrators."""
        logs = [replica.log.read_bytes() for replica in self.replicas[ORCHESTRATOR]]
        return sum(log.count(line) for log in logs for line in _MOVED)

    async def resumed_streams(self, other_than: Replica) -> int:
        """Count the streams that clients continued at the other orchestrators."""
        others = [each for each in self.replicas[ORCHESTRATOR] if each is not other_than]
        metrics = await asyncio.gather(*(each.metrics() for each in others))
        return int(sum(each.get("barkserve_streams_resumed_total", 0) for each in metrics))

    async def __aenter__(self) -> Self:
        for replica in self.all:
            replica.start()
        try:
            await self.serving()
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def __aexit__(self, *error: object) -> None:
        await asyncio.gather(*(replica.stop() for replica in self.all))
