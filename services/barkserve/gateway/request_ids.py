"""Gives every HTTP request an id, which the response repeats."""

from contextlib import nullcontext

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from barkserve.gateway.drain import HEALTH_PATHS
from barkserve.request_id import METADATA_KEY, begin_request, current_request_id
from barkserve.tracing import NO_SPAN, serving, trace_id_of

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
        headers = Headers(scope=scope)
        is_probe = scope["path"] in HEALTH_PATHS
        request = serving(scope.get("method", "GET"), headers)
        with nullcontext(NO_SPAN) if is_probe else request as span:
            begin_request(headers.get(HEADER, ""), trace_id_of(span))
            await self._handle(scope, receive, send)

    async def _handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        request_id = current_request_id()

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)[HEADER] = request_id
            await send(message)

        await self._app(scope, receive, send_with_id)
