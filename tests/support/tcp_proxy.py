"""A TCP proxy with one address for several servers, as a Kubernetes Service.

A connection stays with its server; only new connections reach another one.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field


@dataclass
class TcpProxy:
    """Forwards bytes.

    Attributes:
        target: the server that new connections reach.
        address: what clients connect to.
        connections: how many there were.
        frozen: whether to drop all bytes and keep the connections, as when a host disappears.
    """

    target: str
    address: str = ""
    connections: int = 0
    frozen: bool = False
    _writers: list[asyncio.StreamWriter] = field(default_factory=list)

    async def connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Forward bytes both ways until one side ends."""
        host, _, port = self.target.rpartition(":")
        try:
            inner_reader, inner_writer = await asyncio.open_connection(host, int(port))
        except OSError:  # no server there: the client sees no proxy either
            writer.transport.abort()
            return
        self.connections += 1
        self._writers += (writer, inner_writer)
        await asyncio.gather(
            self._forward(reader, inner_writer), self._forward(inner_reader, writer)
        )

    def cut(self) -> None:
        """Abort all connections, as when a node fails."""
        while self._writers:
            self._writers.pop().transport.abort()

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while data := await reader.read(65536):
                if not self.frozen:
                    writer.write(data)
                    await writer.drain()
        if not self.frozen:
            writer.close()


@asynccontextmanager
async def running_proxy(target: str) -> AsyncIterator[TcpProxy]:
    """Run a proxy."""
    proxy = TcpProxy(target)
    server = await asyncio.start_server(proxy.connect, "127.0.0.1", 0)
    proxy.address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server:
        yield proxy
        proxy.cut()
