"""Measures and logs every HTTP request and WebSocket."""

import logging
import time

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from barkserve.gateway.drain import HEALTH_PATHS
from barkserve.request_id import current_request_id
from barkserve.serving.instruments import Histogram
from barkserve.tracing import Span, current_span, fail

_log = logging.getLogger(__name__)

_METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
_SERVER_ERROR = 500
_NO_ROUTE = "other"
"""The route of paths that no route serves: any client can make up paths."""
_NOT_ANSWERED = 499
"""The status of a request whose client went away before the answer, as nginx logs it."""


class RequestLog:
    """ASGI middleware that measures requests, and logs one line for each but probes.

    Args:
        app: the application.
        duration: of requests, by method, route and status.
    """

    def __init__(self, app: ASGIApp, duration: Histogram) -> None:
        self._app = app
        self._duration = duration

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] not in ("http", "websocket") or scope["path"] in HEALTH_PATHS:
            await self._app(scope, receive, send)
            return
        started, status = time.perf_counter(), _NOT_ANSWERED

        async def send_noting_status(message: Message) -> None:
            nonlocal status
            if message["type"] == "websocket.accept":
                status = 101
            elif message["type"].endswith("response.start"):
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, send_noting_status)
        finally:
            self._ended(scope, status, time.perf_counter() - started)

    def _ended(self, scope: Scope, status: int, seconds: float) -> None:
        method, route = scope.get("method", "GET"), route_of(scope)
        method = method if method in _METHODS else "_OTHER"
        self._duration.observe(seconds, method, route, str(status))
        fields = {"method": method, "route": route, "status": status}
        fields["duration_s"] = round(seconds, 3)
        span = current_span()
        if span.is_recording():
            _describe(span, method, route, status)
        _log.info("%s %s ended with %d", method, route, status, extra={"fields": fields})


def _describe(span: Span, method: str, route: str, status: int) -> None:
    """Add what the conventions for HTTP want to a span that records."""
    span.update_name(f"{method} {route}")
    span.set_attributes(
        {
            "http.request.method": method,
            "http.route": route,
            "http.response.status_code": status,
            "barkserve.request_id": current_request_id(),
        }
    )
    if status >= _SERVER_ERROR:
        fail(span, str(status))


def route_of(scope: Scope) -> str:
    """The path of a request with names instead of values, such as /v1/voices/{voice_id}."""
    path: str = getattr(scope.get("route"), "path", "")
    return path or _NO_ROUTE
