"""Where a replica answers, and what finds replicas. Opens no connection."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Endpoint:
    """One replica's address.

    Attributes:
        address: host:port.
        draining: whether it is leaving: no new streams, but those that run go on.
    """

    address: str
    draining: bool = False


Endpoints = tuple[Endpoint, ...]


class Resolver(Protocol):
    """Finds a service's replicas.

    Attributes:
        server_name: the name in the replicas' certificates; empty: the host of each address.
    """

    server_name: str

    def watch(self) -> AsyncGenerator[Endpoints, None]:
        """Yields all replicas, at once and again whenever they change. Ends only when there can be
        no change; outages are its own to survive, with the last that is known.
        """
