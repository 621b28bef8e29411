"""A TCP line to a server that can be away, and come back."""

import asyncio
from contextlib import suppress
from types import TracebackType
from typing import Self

from barkclient._internal.channel import open_async_channel
from barkserve.v1 import status_pb2, status_pb2_grpc


class Line:
    """Forwards a port of its own to a server while it is up.

    Args:
        server: HOST:PORT.
    """

    def __init__(self, server: str) -> None:
        self._server = server
        self._listener: asyncio.Server | None = None
        self._connections: dict[asyncio.Task[None], list[asyncio.Task[None]]] = {}
        self._port = 0
        self._flows = asyncio.Event()
        self._flows.set()

    @property
    def address(self) -> str:
        """What a client dials."""
        return f"127.0.0.1:{self._port}"

    async def cut(self) -> None:
        """From now on nobody answers."""
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        for ways in self._connections.values():
            for way in ways:
                way.cancel()
        if self._connections:
            await asyncio.wait(self._connections)

    async def mend(self) -> None:
        """From now on the server answers."""
        self._listener = await asyncio.start_server(self._forward, "127.0.0.1", self._port)
        self._port = self._listener.sockets[0].getsockname()[1]

    def hold(self) -> None:
        """From now on nothing arrives."""
        self._flows.clear()

    def release(self) -> None:
        """What was held arrives."""
        self._flows.set()

    async def idle(self) -> None:
        """Waits until the server speaks for nobody any more."""
        async with asyncio.timeout(30), open_async_channel(self._server, None) as channel:
            stub = status_pb2_grpc.StatusServiceStub(channel)
            request = status_pb2.GetStatusRequest()
            while any(each.streams for each in (await stub.GetStatus(request)).replicas):  # noqa: ASYNC110
                await asyncio.sleep(0.02)

    async def __aenter__(self) -> Self:
        await self.mend()
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
        far_reader, far_writer = await asyncio.open_connection(host, int(port))
        ways = [
            asyncio.create_task(self._copy(reader, far_writer)),
            asyncio.create_task(self._copy(far_reader, writer)),
        ]
        connection = asyncio.current_task()
        assert connection is not None
        self._connections[connection] = ways
        await asyncio.wait(ways)
        del self._connections[connection]

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with suppress(OSError):
                while data := await reader.read(65_536):
                    await self._flows.wait()
                    writer.write(data)
                    await writer.drain()
        finally:
            writer.close()
