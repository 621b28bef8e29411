"""All replicas of one service, with a connection to each."""

import asyncio
import logging
import time
from collections.abc import Sequence
from contextlib import suppress

from barkserve.discovery.endpoint import Endpoints, Resolver
from barkserve.discovery.replica import Replica
from barkserve.discovery.report_clock import ReportClock
from barkserve.serving.channel import Dialer

_log = logging.getLogger(__name__)

_BROKEN_S = 5.0


class ReplicaSet:
    """Follows a resolver, and keeps a connection and a load for each replica.

    Args:
        service: the name of the service.
        resolver: finds the replicas.
        dialer: opens channels to them.

    Attributes:
        resolved: whether the resolver has answered.
    """

    def __init__(self, service: str, resolver: Resolver, dialer: Dialer) -> None:
        self.service = service
        self.resolved = False
        self._resolver = resolver
        self._dialer = dialer
        self._replicas: dict[str, Replica] = {}
        self._retired: list[Replica] = []  # removed by the resolver, but with running streams
        self._changed = asyncio.Event()
        self._following: asyncio.Task[None] | None = None
        self._report_clock = ReportClock(time.monotonic())

    @property
    def replicas(self) -> Sequence[Replica]:
        """The current replicas, including draining ones."""
        return tuple(self._replicas.values())

    def start(self) -> None:
        """Start to follow the resolver; needs a running event loop."""
        if self._following is None:
            self._following = asyncio.create_task(self._follow(), name=f"replicas: {self.service}")

    async def wait_for_change(self, timeout_s: float) -> None:
        """Wait until a replica is added or removed or starts to drain, or until a timeout."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._changed.wait(), timeout_s)

    def check_reports(self, now: float) -> None:
        """Mark replicas as stale whose reports stopped; call this several times per second.

        Args:
            now: time.monotonic().
        """
        self._report_clock.check(now)
        for replica in self._replicas.values():
            replica.check_reports(self._report_clock)

    async def close(self) -> None:
        """Stop following and close all connections."""
        if self._following is not None:
            self._following.cancel()
            await asyncio.gather(self._following, return_exceptions=True)
        every = (*self._replicas.values(), *self._retired)
        await asyncio.gather(*(replica.close() for replica in every))
        self._replicas.clear()

    async def _follow(self) -> None:
        while True:
            try:
                async for endpoints in self._resolver.watch():
                    self._update(endpoints)
                return
            except Exception:  # whatever it is, the known replicas stay in use
                _log.exception(
                    "cannot follow the replicas of %s, keeping the last ones", self.service
                )
                await asyncio.sleep(_BROKEN_S)

    def _update(self, endpoints: Endpoints) -> None:
        self.resolved = True
        found = {endpoint.address: endpoint for endpoint in endpoints}
        for address in self._replicas.keys() - found.keys():
            replica = self._replicas.pop(address)
            replica.retire()
            self._retired = [*(each for each in self._retired if not each.idle), replica]
            _log.info("%s: replica %s removed", self.service, address)
        for address, endpoint in found.items():
            if address in self._replicas:
                self._replicas[address].endpoint = endpoint
                continue
            replica = Replica(endpoint, self._dialer, self._resolver.server_name)
            self._replicas[address] = replica
            replica.listen()
            _log.info("%s: replica %s added", self.service, address)
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()
