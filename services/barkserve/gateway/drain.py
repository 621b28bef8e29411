"""Lets running requests finish when the gateway stops, and refuses new ones."""

from starlette.types import ASGIApp, Receive, Scope, Send

from barkserve.gateway.drain_state import DrainState
from barkserve.gateway.errors import HttpFailure
from barkserve.gateway.failures import render_for

SHUTTING_DOWN = HttpFailure(
    503,
    "shutting_down",
    "this gateway is shutting down: send the request again to reach another one",
    headers={"retry-after": "1", "connection": "close"},
)
_TRY_AGAIN_LATER = 1013

HEALTH_PATHS = ("/healthz", "/readyz")
"""Paths that a draining gateway still answers."""


class Drain:
    """ASGI middleware that counts requests and WebSockets.

    Args:
        app: the application.
        state: what it shares with the server.
    """

    def __init__(self, app: ASGIApp, state: DrainState) -> None:
        self._app = app
        self._state = state

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] not in ("http", "websocket") or scope["path"] in HEALTH_PATHS:
            await self._app(scope, receive, send)
        elif not self._state.draining:
            with self._state.counted():
                await self._app(scope, receive, send)
        elif scope["type"] == "http":
            await render_for(scope["path"], SHUTTING_DOWN)(scope, receive, send)
        else:
            await send({"type": "websocket.close", "code": _TRY_AGAIN_LATER})
