"""The address of a replica, and the interface of what finds replicas."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Endpoint:
    """One replica.

    Attributes:
        address: host:port.
        draining: whether it accepts no new streams; running ones may finish.
    """

    address: str
    draining: bool = False


Endpoints = tuple[Endpoint, ...]


class Resolver(Protocol):
    """Finds the replicas of a service.

    Attributes:
        server_name: the name in the replicas' certificates; empty means the host of each address.
    """

    server_name: str

    def watch(self) -> AsyncGenerator[Endpoints, None]:
        """Yield all replicas, at once and after each change.

        The generator ends only if the replicas can never change. During an outage of its source it
        keeps the last known replicas, and raises nothing.
        """
