"""Serves Wyoming connections on a socket."""

import asyncio
import logging
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from barkserve.gateway.backend import Backend
from barkserve.gateway.drain import SHUTTING_DOWN
from barkserve.gateway.drain_state import DrainState
from barkserve.gateway.errors import HttpFailure
from barkserve.gateway.wyoming.connection import Connection
from barkserve.gateway.wyoming.event_reader import LINE_BYTES

_log = logging.getLogger(__name__)

_MAX_CONNECTIONS = 64
_CLOSE_S = 2.0
_FULL = HttpFailure(
    429, "overloaded", f"{_MAX_CONNECTIONS} Wyoming connections are open: try again later"
)


@asynccontextmanager
async def serving_wyoming(
    bound: socket.socket, backend: Backend, drain: DrainState
) -> AsyncIterator[None]:
    """Serve connections for the duration of the block.

    Args:
        bound: a listening socket.
        backend: the orchestrator.
        drain: counts the requests, and says when to refuse new ones.
    """
    running: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = Connection(reader, writer, backend, drain)
        try:
            if drain.draining or len(running) > _MAX_CONNECTIONS:
                await connection.refuse(SHUTTING_DOWN if drain.draining else _FULL)
            else:
                await connection.run()
        except Exception:
            _log.exception("a Wyoming connection failed unexpectedly")
        finally:
            await _close(writer)

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(serve(reader, writer))
        running.add(task)
        task.add_done_callback(running.discard)

    server = await asyncio.start_server(accept, sock=bound, limit=LINE_BYTES)
    try:
        yield
    finally:
        server.close()
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


async def _close(writer: asyncio.StreamWriter) -> None:
    """Close a connection. A peer that does not read loses what is still to be sent."""
    writer.close()
    try:
        async with asyncio.timeout(_CLOSE_S):
            await writer.wait_closed()
    except (ConnectionError, TimeoutError):
        writer.transport.abort()
