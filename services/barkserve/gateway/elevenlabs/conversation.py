"""One ElevenLabs WebSocket: texts in, audio and alignments out."""

import asyncio
import base64
import json
from contextlib import suppress
from typing import Any, Unpack

from pydantic import ValidationError
from starlette.websockets import WebSocket, WebSocketDisconnect

from barkclient import AsyncClient, AsyncSpeechContext, AsyncSpeechStream, BarkClientError
from barkclient.options import StreamOptions
from barkserve.gateway.elevenlabs.alignment import Aligner, Alignment
from barkserve.gateway.elevenlabs.request import VoiceSettings
from barkserve.gateway.errors import HttpFailure
from barkserve.gateway.warnings_field import warnings_field
from barkserve.gateway.websocket_text import receive_text

_NORMAL, _POLICY_VIOLATION = 1000, 1008


class Conversation:
    """A WebSocket with one text, or with many contexts.

    Args:
        websocket: the accepted WebSocket.
        has_contexts: whether messages name contexts, as in `multi-stream-input`.
        options: the options of every context.
    """

    def __init__(
        self, websocket: WebSocket, has_contexts: bool, **options: Unpack[StreamOptions]
    ) -> None:
        self._websocket = websocket
        self._has_contexts = has_contexts
        self._options = options
        self._contexts: dict[str, tuple[AsyncSpeechContext, Aligner]] = {}
        self._speaking: set[asyncio.Task[None]] = set()

    async def run(self, client: AsyncClient) -> None:
        """Speak until the client closes the WebSocket, or until its only text is spoken."""
        stream = client.stream()
        try:
            await self._receive(stream)
            await asyncio.gather(*self._speaking)
            await self._websocket.close(_NORMAL)
        except WebSocketDisconnect:
            pass
        except BarkClientError as error:
            await self._fail(HttpFailure.from_error(error))
        except HttpFailure as failure:
            await self._fail(failure)
        finally:
            for task in self._speaking:
                task.cancel()
            await asyncio.gather(*self._speaking, return_exceptions=True)
            await stream.aclose()

    async def _receive(self, stream: AsyncSpeechStream) -> None:
        """Handle messages until the client ends its input."""
        while True:
            receiving = asyncio.create_task(receive_text(self._websocket))
            await asyncio.wait({receiving, *self._speaking}, return_when=asyncio.FIRST_COMPLETED)
            for task in [each for each in self._speaking if each.done()]:
                self._speaking.remove(task)
                if error := task.exception():
                    receiving.cancel()
                    raise error
            if not await self._handle(stream, _parsed(await receiving)):
                return

    async def _handle(self, stream: AsyncSpeechStream, message: dict[str, Any]) -> bool:
        """Handle one message. Returns whether more may follow."""
        if message.get("close_socket"):
            for context, _ in self._contexts.values():
                context.end()
            return False
        context_id = str(message.get("context_id") or "")
        text = message.get("text")
        if context_id not in self._contexts:
            if message.get("close_context"):
                return True
            self._open(stream, context_id, _voice_settings(message))
        context, aligner = self._contexts[context_id]
        if isinstance(text, str) and (aligner.text or text.strip()):  # the first one is " "
            aligner.text += text
            context.send(text)
        if message.get("flush"):
            context.flush()
        is_last = text == "" and not self._has_contexts
        if is_last or message.get("close_context"):
            del self._contexts[context_id]
            context.end()
        return not is_last

    def _open(self, stream: AsyncSpeechStream, context_id: str, settings: VoiceSettings) -> None:
        options: StreamOptions = {**self._options, "speaking_rate": settings.speaking_rate}
        context, aligner = stream.speak(**options), Aligner()
        self._contexts[context_id] = context, aligner
        self._speaking.add(asyncio.create_task(self._speak(context_id, context, aligner)))

    async def _speak(self, context_id: str, context: AsyncSpeechContext, aligner: Aligner) -> None:
        """Send the audio of one context."""
        async for chunk in context:
            origin_s = aligner.end_s
            await self._send(context_id, chunk.audio, aligner.take(chunk.words), origin_s)
        origin_s = aligner.end_s
        if rest := aligner.rest():
            await self._send(context_id, b"", rest, origin_s)
        final: dict[str, object] = {"audio": None, "isFinal": True}
        await self._send_json(final | warnings_field(context.finished), context_id)

    async def _send(
        self, context_id: str, audio: bytes, alignment: Alignment | None, origin_s: float
    ) -> None:
        times = None if alignment is None else alignment.in_milliseconds(origin_s)
        content: dict[str, object] = {
            "audio": base64.b64encode(audio).decode(),
            "isFinal": None,
            "alignment": times,
            "normalizedAlignment": times,
        }
        await self._send_json(content, context_id)

    async def _send_json(self, content: dict[str, object], context_id: str) -> None:
        context = {"contextId": context_id} if self._has_contexts else {}
        await self._websocket.send_text(json.dumps(content | context))

    async def _fail(self, failure: HttpFailure) -> None:
        with suppress(WebSocketDisconnect, RuntimeError):
            await self._websocket.send_json({"message": failure.message, "error": failure.code})
            await self._websocket.close(_POLICY_VIOLATION)


def _voice_settings(message: dict[str, Any]) -> VoiceSettings:
    """The settings in the first message of a context."""
    try:
        return VoiceSettings.model_validate(message.get("voice_settings") or {})
    except ValidationError as error:
        reason = error.errors()[0]["msg"]
        raise HttpFailure(400, "invalid_message", f"voice_settings: {reason}") from error


def _parsed(text: str) -> dict[str, Any]:
    try:
        message = json.loads(text)
    except (ValueError, RecursionError):
        message = None
    if not isinstance(message, dict):
        raise HttpFailure(400, "invalid_message", "the message is not a JSON object")
    return message
