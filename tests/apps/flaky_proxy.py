"""A TCP proxy to a server that can become unreachable and reachable again."""

import asyncio
from contextlib import suppress
from types import TracebackType
from typing import Self

from barkclient._internal.channel import open_async_channel
from barkserve.v1 import status_pb2, status_pb2_grpc


class FlakyProxy:
    """Forwards a port to a server, until it is cut.

    Args:
        server: HOST:PORT.
    """

    def __init__(self, server: str) -> None:
        self._server = server
        self._listener: asyncio.Server | None = None
        self._connections: dict[asyncio.Task[None], list[asyncio.Task[None]]] = {}
        self._port = 0
        self._forwarding = asyncio.Event()
        self._forwarding.set()

    @property
    def address(self) -> str:
        """HOST:PORT for clients."""
        return f"127.0.0.1:{self._port}"

    async def cut(self) -> None:
        """Close all connections and refuse new ones."""
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        for copies in self._connections.values():
            for copy in copies:
                copy.cancel()
        if self._connections:
            await asyncio.wait(self._connections)

    async def restore(self) -> None:
        """Accept connections."""
        self._listener = await asyncio.start_server(self._forward, "127.0.0.1", self._port)
        self._port = self._listener.sockets[0].getsockname()[1]

    def hold(self) -> None:
        """Stop forwarding data."""
        self._forwarding.clear()

    def release(self) -> None:
        """Forward the held data and continue."""
        self._forwarding.set()

    async def wait_idle(self) -> None:
        """Wait until the server has no streams."""
        async with asyncio.timeout(30), open_async_channel(self._server, None) as channel:
            stub = status_pb2_grpc.StatusServiceStub(channel)
            request = status_pb2.GetStatusRequest()
            while any(each.streams for each in (await stub.GetStatus(request)).replicas):  # noqa: ASYNC110
                await asyncio.sleep(0.02)

    async def __aenter__(self) -> Self:
        await self.restore()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.cut()

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        host, port = self._server.rsplit(":", 1)
        server_reader, server_writer = await asyncio.open_connection(host, int(port))
        copies = [
            asyncio.create_task(self._copy(reader, server_writer)),
            asyncio.create_task(self._copy(server_reader, writer)),
        ]
        connection = asyncio.current_task()
        assert connection is not None
        self._connections[connection] = copies
        await asyncio.wait(copies)
        del self._connections[connection]

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with suppress(OSError):
                while data := await reader.read(65_536):
                    await self._forwarding.wait()
                    writer.write(data)
                    await writer.drain()
        finally:
            writer.close()
