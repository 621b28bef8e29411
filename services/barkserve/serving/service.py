"""A service, as the server sees it: gRPC handlers and a life cycle."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

import grpc

from barkserve.errors import ReplicaFailed
from barkserve.serving.load import Load, ReadLoad

Servicer = TypeVar("Servicer")


async def _do_nothing_async() -> None: ...


def _do_nothing() -> None: ...


def _no_obstacle() -> str:
    return ""


async def _never() -> ReplicaFailed:
    forever: asyncio.Future[ReplicaFailed] = asyncio.get_running_loop().create_future()
    return await forever


@dataclass(frozen=True)
class Service:
    """What a server serves.

    Attributes:
        full_name: "barkserve.v1.SpeechService", for health and reflection.
        register: adds the handlers to a server.
        start: runs before the first RPC.
        stop: runs after the last RPC.
        load: reads the current load, for load reports.
        extra_services: further services on the same port, with the same life cycle.
        on_drain: runs when draining begins, before the server waits for running streams.
        behind_vip: whether clients connect to one virtual address, as with a Kubernetes Service.
            Other clients know each replica, and try the next one if a replica refuses.
        obstacle: returns why it cannot serve streams now; empty if it can.
        wait_fatal: waits until only a new process can serve again; returns why.
    """

    full_name: str
    register: Callable[[grpc.aio.Server], None]
    start: Callable[[], Awaitable[None]] = _do_nothing_async
    stop: Callable[[], Awaitable[None]] = _do_nothing_async
    load: ReadLoad = Load
    extra_services: "tuple[Service, ...]" = ()
    on_drain: Callable[[], None] = _do_nothing
    behind_vip: bool = False
    obstacle: Callable[[], str] = _no_obstacle
    wait_fatal: Callable[[], Awaitable[ReplicaFailed]] = _never

    @property
    def all_services(self) -> "tuple[Service, ...]":
        """This service and its extra services."""
        return (self, *self.extra_services)


def register_with(
    add: Callable[[Servicer, grpc.aio.Server], None], servicer: Servicer
) -> Callable[[grpc.aio.Server], None]:
    """Make a `Service.register` from a generated add_XServicer_to_server function."""
    return lambda server: add(servicer, server)
