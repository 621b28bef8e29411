"""An HTTP proxy that knows the method CONNECT, with addresses for host names that do not exist."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field


@dataclass
class ConnectProxy:
    """Connects clients to servers.

    Attributes:
        servers: the address of each server that clients may ask for, by the name that they use.
        url: of the proxy itself.
        asked: what clients asked for.
    """

    servers: Mapping[str, str]
    url: str = ""
    asked: list[str] = field(default_factory=list)

    async def connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        method, name, _ = head.split(" ", 2)
        assert method == "CONNECT"
        self.asked.append(name)
        host, _, port = self.servers[name].rpartition(":")
        inner_reader, inner_writer = await asyncio.open_connection(host, int(port))
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        await asyncio.gather(_forward(reader, inner_writer), _forward(inner_reader, writer))


async def _forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()


@asynccontextmanager
async def running_connect_proxy(**servers: str) -> AsyncIterator[ConnectProxy]:
    """Run a proxy for servers `NAME.example:443`, each of which has the address of its NAME."""
    proxy = ConnectProxy({f"{name}.example:443": address for name, address in servers.items()})
    server = await asyncio.start_server(proxy.connect, "127.0.0.1", 0)
    proxy.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server:
        yield proxy
