"""Finds replicas by DNS, such as those of a headless Kubernetes Service."""

import asyncio
import logging
import socket
from collections.abc import AsyncGenerator

from barkserve.discovery.endpoint import Endpoint, Endpoints

_log = logging.getLogger(__name__)

INTERVAL_S = 2.0
_NO_ADDRESS = (socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME))


class DnsResolver:
    """Finds a replica at each address of a name.

    Args:
        host: the name to resolve.
        port: the port that the replicas listen on.
        interval_s: seconds between two look-ups.
    """

    def __init__(self, host: str, port: int, interval_s: float = INTERVAL_S) -> None:
        self.server_name = host
        self._port = port
        self._interval_s = interval_s

    async def watch(self) -> AsyncGenerator[Endpoints, None]:
        """Yield the replicas at once and after each change.

        A name without addresses has no replicas. While the name server does not answer, the last
        replicas stay.
        """
        known: Endpoints | None = None
        failing = False
        while True:
            try:
                found = await self._resolve()
                failing = False
            except OSError as error:
                found = known or ()
                if not failing:
                    _log.warning(
                        "cannot resolve %s, keeping the last addresses: %s", self.server_name, error
                    )
                failing = True
            if found != known:
                yield found
                known = found
            await asyncio.sleep(self._interval_s)

    async def _resolve(self) -> Endpoints:
        loop = asyncio.get_running_loop()
        try:
            found = await loop.getaddrinfo(
                self.server_name, self._port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP
            )
        except socket.gaierror as error:
            if error.errno in _NO_ADDRESS:
                return ()
            raise
        hosts = sorted({str(address[0]) for *_, address in found})
        return tuple(Endpoint(join_host_port(host, self._port)) for host in hosts)


def join_host_port(host: str, port: int) -> str:
    """Join to host:port; an IPv6 address gets brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
