"""Carries one StreamingSynthesize call over a WebSocket."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing

from starlette.websockets import WebSocket, WebSocketDisconnect

from barkclient import AsyncClient, BarkClientError, RetryableError
from barkserve.gateway.websocket.messages import (
    MalformedMessage,
    Request,
    Response,
    encode_response,
    error_message,
    parse_request,
)
from barkserve.gateway.websocket_text import receive_text

NORMAL, INTERNAL_ERROR, TRY_AGAIN_LATER = 1000, 1011, 1013
_LONGEST_REASON_BYTES = 123  # of a close frame, RFC 6455 section 5.5


class Bridge:
    """One WebSocket.

    A client that closes it cancels all contexts. The server closes it when the call has ended: with
    1000 after the last context of a client that sent an empty text message, with 1013 if a new
    connection may succeed, and otherwise with 1011. The reason is in the close frame.
    """

    def __init__(self, websocket: WebSocket) -> None:
        self._websocket = websocket
        self._sending = asyncio.Lock()  # JSON and audio of one response stay together
        self._left = asyncio.Event()

    async def run(self, client: AsyncClient) -> None:
        """Carry messages in both directions until the call ends or the client leaves."""
        speaking = asyncio.create_task(self._speak(client))
        leaving = asyncio.create_task(self._left.wait())
        try:
            await asyncio.wait((speaking, leaving), return_when=asyncio.FIRST_COMPLETED)
        finally:
            speaking.cancel()
            leaving.cancel()
            await asyncio.gather(speaking, leaving, return_exceptions=True)

    async def _speak(self, client: AsyncClient) -> None:
        try:
            async with aclosing(client.relay(self._requests())) as responses:
                async for response in responses:
                    await self._send(response)
            await self._websocket.close(NORMAL)
        except BarkClientError as error:
            code = TRY_AGAIN_LATER if isinstance(error, RetryableError) else INTERNAL_ERROR
            await self._websocket.close(code, _reason(error))
        except WebSocketDisconnect:
            self._left.set()

    async def _requests(self) -> AsyncIterator[Request]:
        """The client's messages, until an empty one: it ends the call as half-closing does."""
        while (text := await self._receive()) is not None:
            if not text:
                return
            try:
                yield parse_request(text)
            except MalformedMessage as error:
                async with self._sending:
                    await self._websocket.send_text(error_message(error))
        await asyncio.Event().wait()  # the call is cancelled: it must not end as if complete

    async def _receive(self) -> str | None:
        """The next message; None if the client has left."""
        try:
            return await receive_text(self._websocket)
        except WebSocketDisconnect:
            self._left.set()
            return None

    async def _send(self, response: Response) -> None:
        text, audio = encode_response(response)
        async with self._sending:
            await self._websocket.send_text(text)
            if audio is not None:
                await self._websocket.send_bytes(audio)


def _reason(error: BarkClientError) -> str:
    return str(error).encode()[:_LONGEST_REASON_BYTES].decode(errors="ignore")
