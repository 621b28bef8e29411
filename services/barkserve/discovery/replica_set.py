"""All replicas of one service, as they come and go. Knows no messages and prefers nobody."""

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress

from barkserve.discovery.endpoint import Endpoints, Resolver
from barkserve.discovery.replica import Replica
from barkserve.serving.channel import Dialer

_log = logging.getLogger(__name__)

_BROKEN_S = 5.0


class ReplicaSet:
    """Follows a resolver: a connection and a load for each replica.

    Args:
        service: whose replicas.
        resolver: finds them.
        dialer: opens channels to them.
    """

    def __init__(self, service: str, resolver: Resolver, dialer: Dialer) -> None:
        self.service = service
        self._resolver = resolver
        self._dialer = dialer
        self._replicas: dict[str, Replica] = {}
        self._leaving: list[Replica] = []  # gone from the resolver, but streams of ours still run
        self._changed = asyncio.Event()
        self._following: asyncio.Task[None] | None = None

    @property
    def replicas(self) -> Sequence[Replica]:
        """Those that exist now, draining ones included."""
        return tuple(self._replicas.values())

    def start(self) -> None:
        """Begin to follow; needs a running event loop."""
        if self._following is None:
            self._following = asyncio.create_task(self._follow(), name=f"replicas: {self.service}")

    async def change(self, at_most_s: float) -> None:
        """Wait until a replica has come, left or begun to drain, or the time is over."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._changed.wait(), at_most_s)

    async def close(self) -> None:
        """Stop following and close all connections."""
        if self._following is not None:
            self._following.cancel()
            await asyncio.gather(self._following, return_exceptions=True)
        everyone = (*self._replicas.values(), *self._leaving)
        await asyncio.gather(*(replica.close() for replica in everyone))
        self._replicas.clear()

    async def _follow(self) -> None:
        while True:
            try:
                async for endpoints in self._resolver.watch():
                    self._update(endpoints)
                return
            except Exception:  # whatever it is, the replicas that are known go on
                _log.exception("the replicas of %s cannot be followed now", self.service)
                await asyncio.sleep(_BROKEN_S)

    def _update(self, endpoints: Endpoints) -> None:
        found = {endpoint.address: endpoint for endpoint in endpoints}
        for address in self._replicas.keys() - found.keys():
            replica = self._replicas.pop(address)
            replica.retire()
            self._leaving = [*(each for each in self._leaving if not each.idle), replica]
            _log.info("%s: %s has left", self.service, address)
        for address, endpoint in found.items():
            if address in self._replicas:
                self._replicas[address].endpoint = endpoint
                continue
            replica = Replica(endpoint, self._dialer, self._resolver.server_name)
            self._replicas[address] = replica
            replica.listen()
            _log.info("%s: %s has come", self.service, address)
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()
