"""Refuses request bodies that are larger than any valid request."""

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from barkserve.gateway.errors import HttpFailure
from barkserve.gateway.failures import render_for

_TOO_LARGE = 413


class BodyLimit:
    """ASGI middleware that answers 413 before more than `max_bytes` are kept.

    Args:
        app: the application.
        max_bytes: largest body of a request.
    """

    def __init__(self, app: ASGIApp, max_bytes: int) -> None:
        self._app = app
        self._max_bytes = max_bytes
        self._message = f"the request has more than {max_bytes} bytes: send less"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        announced = Headers(scope=scope).get("content-length", "0")
        if announced.isdigit() and int(announced) > self._max_bytes:
            failure = HttpFailure(_TOO_LARGE, "request_too_large", self._message)
            await render_for(scope["path"], failure)(scope, receive, send)
            return
        received = 0

        async def receive_limited() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > self._max_bytes:
                raise HTTPException(_TOO_LARGE, self._message)
            return message

        await self._app(scope, receive_limited, send)
