"""The WebSocket endpoint `/v1/stream`."""

from fastapi import APIRouter
from starlette.websockets import WebSocket

from barkserve.gateway.dependencies import client_of
from barkserve.gateway.websocket.bridge import Bridge

PROTOCOL = "barkserve.v1"
"""The subprotocol. Browsers offer it next to the one that holds the token."""


def websocket_routes() -> APIRouter:
    """Make the route."""
    router = APIRouter()
    router.websocket("/v1/stream")(stream)
    return router


async def stream(websocket: WebSocket) -> None:
    """Carry one StreamingSynthesize call."""
    client = await client_of(websocket)  # its errors can still be a response
    offered = websocket.scope["subprotocols"]
    await websocket.accept(PROTOCOL if PROTOCOL in offered else None)
    await Bridge(websocket).run(client)
