"""The WebSockets `stream-input` (one text) and `multi-stream-input` (many contexts)."""

from fastapi import APIRouter
from starlette.websockets import WebSocket

from barkserve.gateway.dependencies import client_of
from barkserve.gateway.elevenlabs import output_format as formats
from barkserve.gateway.elevenlabs.conversation import Conversation
from barkserve.gateway.elevenlabs.output_format import parse_output_format
from barkserve.gateway.elevenlabs.routes import PATH
from barkserve.gateway.errors import HttpFailure

_POLICY_VIOLATION = 1008


def elevenlabs_streams() -> APIRouter:
    """Make the routes."""
    router = APIRouter()
    router.websocket(PATH + "/multi-stream-input")(speak_contexts)
    router.websocket(PATH + "/stream-input")(speak_text)
    return router


async def speak_text(websocket: WebSocket, voice_id: str) -> None:
    """Speak one text that is still being written."""
    await _converse(websocket, voice_id, has_contexts=False)


async def speak_contexts(websocket: WebSocket, voice_id: str) -> None:
    """Speak texts of several contexts."""
    await _converse(websocket, voice_id, has_contexts=True)


async def _converse(websocket: WebSocket, voice_id: str, has_contexts: bool) -> None:
    client = await client_of(websocket)  # its errors can still be a response
    await websocket.accept()
    query = websocket.query_params
    try:
        output = parse_output_format(query.get("output_format", formats.DEFAULT))
    except HttpFailure as failure:
        await websocket.send_json({"message": failure.message, "error": failure.code})
        await websocket.close(_POLICY_VIOLATION)
        return
    seed = query.get("seed", "")
    conversation = Conversation(
        websocket,
        has_contexts=has_contexts,
        times_from_start=query.get("sync_alignment") == "true",
        voice=voice_id,
        encoding=output.encoding,
        sample_rate=output.sample_rate,
        language=query.get("language_code", ""),
        seed=int(seed) if seed.isdecimal() else None,
        word_times=True,
    )
    await conversation.run(client)
