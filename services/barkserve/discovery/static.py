"""Replicas in a fixed list."""

from collections.abc import AsyncGenerator, Sequence

from barkserve.discovery.endpoint import Endpoint, Endpoints


class StaticResolver:
    """Finds the replicas in a fixed list.

    Args:
        addresses: host:port of each; duplicates count once.
    """

    server_name = ""

    def __init__(self, addresses: Sequence[str]) -> None:
        self._endpoints = tuple(map(Endpoint, dict.fromkeys(addresses)))

    async def watch(self) -> AsyncGenerator[Endpoints, None]:
        """Yield the list once."""
        yield self._endpoints
