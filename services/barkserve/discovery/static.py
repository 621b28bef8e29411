"""Replicas that were named once and for all."""

from collections.abc import AsyncGenerator, Sequence

from barkserve.discovery.endpoint import Endpoint, Endpoints


class StaticResolver:
    """A fixed list of host:port."""

    server_name = ""

    def __init__(self, addresses: Sequence[str]) -> None:
        self._endpoints = tuple(map(Endpoint, dict.fromkeys(addresses)))

    async def watch(self) -> AsyncGenerator[Endpoints, None]:
        """Yields once."""
        yield self._endpoints
