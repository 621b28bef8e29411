"""One address in front of servers, such as a Kubernetes Service: a connection stays with the server
that it was given to, and only new ones reach another.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field


@dataclass
class Door:
    """Carries bytes and knows no gRPC.

    Attributes:
        behind: the address of the server that new connections are given to.
        address: what clients connect to.
        connections: how many there have been.
    """

    behind: str
    address: str = ""
    connections: int = 0
    _writers: list[asyncio.StreamWriter] = field(default_factory=list)

    async def admit(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry bytes both ways until one side ends."""
        host, _, port = self.behind.rpartition(":")
        try:
            inner_reader, inner_writer = await asyncio.open_connection(host, int(port))
        except OSError:  # nobody is there: neither are we
            writer.transport.abort()
            return
        self.connections += 1
        self._writers += (writer, inner_writer)
        await asyncio.gather(_carry(reader, inner_writer), _carry(inner_reader, writer))

    def cut(self) -> None:
        """Every connection is lost, as when a node fails."""
        while self._writers:
            self._writers.pop().transport.abort()


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()


@asynccontextmanager
async def open_door(behind: str) -> AsyncIterator[Door]:
    """A door that connections can be made to."""
    door = Door(behind)
    server = await asyncio.start_server(door.admit, "127.0.0.1", 0)
    door.address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server:
        yield door
        door.cut()
