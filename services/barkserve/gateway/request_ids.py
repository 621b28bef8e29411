"""Gives every HTTP request an id, which the response repeats."""

import uuid

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from barkserve.request_id import begin_request

HEADER = "x-request-id"
_LONGEST = 128


class RequestIds:
    """ASGI middleware: `request.state.request_id` is the caller's X-Request-Id, or a new one."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get(HEADER, "")
        request_id = given if _is_usable(given) else str(uuid.uuid4())
        scope.setdefault("state", {})["request_id"] = request_id
        begin_request(request_id)  # for the log

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)[HEADER] = request_id
            await send(message)

        await self._app(scope, receive, send_with_id)


def _is_usable(given: str) -> bool:
    return 0 < len(given) <= _LONGEST and given.isascii() and given.isprintable()
