"""Messages of a WebSocket as text, whichever of the two forms the client sends."""

from starlette.types import Message
from starlette.websockets import WebSocket, WebSocketDisconnect


async def receive_text(websocket: WebSocket) -> str:
    """Receive a message. Bytes are UTF-8; wrong ones are replaced.

    Raises:
        WebSocketDisconnect: the client has left.
    """
    message: Message = await websocket.receive()
    if message["type"] == "websocket.disconnect":
        raise WebSocketDisconnect(message.get("code", 1000))
    text = message.get("text")
    return bytes(message["bytes"]).decode(errors="replace") if text is None else str(text)
