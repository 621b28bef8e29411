"""An HTTP response whose body is made while it is sent.

Starlette's StreamingResponse sends the status before the first chunk, and notices a client that
leaves only at the next chunk. Here the first chunk decides the status, and a client that leaves
ends the work at once.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import suppress

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from barkclient.errors import BarkClientError
from barkserve.gateway.errors import HttpFailure

_log = logging.getLogger(__name__)


class StreamedBody(Response):
    """A response that sends chunks as they are made.

    A failure before the first chunk becomes a response with an error status. A later one ends the
    connection without the last chunk of the body, so that no client takes the part for the whole.

    Args:
        chunks: the body. It is closed at the end in every case.
        media_type: the value of the Content-Type header.
        headers: further headers.
        render: makes the response for a failure before the first chunk.
    """

    def __init__(
        self,
        chunks: AsyncGenerator[bytes, None],
        media_type: str,
        headers: Mapping[str, str],
        render: Callable[[HttpFailure], Response],
    ) -> None:
        super().__init__(media_type=media_type, headers={**headers, "x-accel-buffering": "no"})
        del self.headers["content-length"]
        self._chunks = chunks
        self._render = render

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the response, until it ends or the client leaves."""
        sending = asyncio.create_task(self._send(scope, receive, send))
        leaving = asyncio.create_task(_client_left(receive))
        try:
            await asyncio.wait((sending, leaving), return_when=asyncio.FIRST_COMPLETED)
            if sending.done():
                await sending
        finally:
            for task in (sending, leaving):
                task.cancel()
                with suppress(asyncio.CancelledError, Exception):
                    await task
            await self._chunks.aclose()

    async def _send(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            first = await anext(self._chunks, b"")
        except BarkClientError as error:
            await self._render(HttpFailure.from_error(error))(scope, receive, send)
            return
        start = {"status": self.status_code, "headers": self.raw_headers}
        await send({"type": "http.response.start", **start})
        await _send_part(send, first)
        try:
            async for chunk in self._chunks:
                await _send_part(send, chunk)
        except BarkClientError as error:
            _log.warning("a response ended before its body was complete: %s", error)
            return
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _send_part(send: Send, chunk: bytes) -> None:
    await send({"type": "http.response.body", "body": chunk, "more_body": True})


async def _client_left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
