"""Gives every HTTP request an id, which the response repeats."""

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from barkserve.request_id import METADATA_KEY, begin_request, current_request_id

HEADER = METADATA_KEY


class RequestIds:
    """ASGI middleware: the id of a request is the caller's X-Request-Id, or a new one."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        begin_request(Headers(scope=scope).get(HEADER, ""))
        request_id = current_request_id()

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)[HEADER] = request_id
            await send(message)

        await self._app(scope, receive, send_with_id)
