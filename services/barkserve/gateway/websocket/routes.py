"""The WebSocket endpoint `/v1/stream`."""

from fastapi import APIRouter
from starlette.websockets import WebSocket

from barkserve.gateway.dependencies import client_of
from barkserve.gateway.websocket.bridge import Bridge


def websocket_routes() -> APIRouter:
    """Make the route."""
    router = APIRouter()
    router.websocket("/v1/stream")(stream)
    return router


async def stream(websocket: WebSocket) -> None:
    """Carry one StreamingSynthesize call."""
    await websocket.accept()
    await Bridge(websocket).run(client_of(websocket))
