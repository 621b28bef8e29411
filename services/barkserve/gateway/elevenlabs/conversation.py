"""One ElevenLabs WebSocket: texts in, audio and alignments out."""

import asyncio
import base64
import json
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Unpack

from pydantic import ValidationError
from starlette.websockets import WebSocket, WebSocketDisconnect

from barkclient import AsyncClient, AsyncSpeechContext, AsyncSpeechStream, BarkClientError
from barkclient.options import StreamOptions
from barkserve.gateway.elevenlabs.alignment import Aligner, Alignment
from barkserve.gateway.elevenlabs.request import Pronunciations, VoiceSettings
from barkserve.gateway.errors import HttpFailure
from barkserve.gateway.warnings_field import warnings_field
from barkserve.gateway.websocket_text import receive_text

_NORMAL, _POLICY_VIOLATION = 1000, 1008


class _Text:
    """The text of one context, and its speech.

    Attributes:
        aligner: times the characters of the text so far.
        has_unflushed: whether text came after the last flush.
    """

    def __init__(self, speech: AsyncSpeechContext) -> None:
        self.speech = speech
        self.aligner = Aligner()
        self.has_unflushed = False

    def add(self, text: str) -> None:
        if self.aligner.text or text.strip():  # the first one is " "
            self.aligner.text += text
            self.has_unflushed = self.has_unflushed or bool(text.strip())
            self.speech.send(text)

    def flush(self) -> None:
        self.has_unflushed = False
        self.speech.flush()


class Conversation:
    """A WebSocket with one text, or with many contexts.

    Args:
        websocket: the accepted WebSocket.
        has_contexts: whether messages name contexts, as in `multi-stream-input`.
        times_from_start: whether the times of an alignment count from the beginning of the context
            instead of the end of the alignment before.
        options: the options of every context.
    """

    def __init__(
        self,
        websocket: WebSocket,
        *,
        has_contexts: bool,
        times_from_start: bool,
        **options: Unpack[StreamOptions],
    ) -> None:
        self._websocket = websocket
        self._has_contexts = has_contexts
        self._times_from_start = times_from_start
        self._options = options
        self._open_texts: dict[str, _Text] = {}
        self._closed_texts: dict[str, _Text] = {}  # which are still spoken
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
            for open_text in self._open_texts.values():
                open_text.speech.end()
            return False
        context_id = str(message.get("context_id") or "")
        if message.get("close_context"):
            self._close(context_id)
            return True
        written = self._open_texts.get(context_id) or self._open(stream, context_id, message)
        text = message.get("text")
        if isinstance(text, str):
            written.add(text)
        if message.get("flush"):
            written.flush()
        if text == "" and not self._has_contexts:
            written.speech.end()
            return False
        return True

    def _open(
        self, stream: AsyncSpeechStream, context_id: str, message: Mapping[str, Any]
    ) -> _Text:
        """Open a context with the settings in its first message."""
        options: StreamOptions = {
            **self._options,
            "speaking_rate": _voice_settings(message).speaking_rate,
            "lexicon": _pronunciations(message).readings(),
        }
        text = self._open_texts[context_id] = _Text(stream.speak(**options))
        self._speaking.add(asyncio.create_task(self._speak(context_id, text)))
        return text

    def _close(self, context_id: str) -> None:
        """Speak what was flushed, or cancel: after other text, and when closed again.

        Clients close a context at its end and also when the user interrupts.
        """
        text = self._open_texts.pop(context_id, None)
        if text is not None and not text.has_unflushed:
            self._closed_texts[context_id] = text
            text.speech.end()
        elif text := text or self._closed_texts.pop(context_id, None):
            text.speech.cancel()

    async def _speak(self, context_id: str, text: _Text) -> None:
        """Send the audio of one context."""
        speech, aligner = text.speech, text.aligner
        async for chunk in speech:
            origin_s = aligner.end_s
            await self._send(context_id, chunk.audio, aligner.take(chunk.words), origin_s)
        origin_s = aligner.end_s
        if speech.finished.finish_reason != "cancelled" and (rest := aligner.rest()):
            await self._send(context_id, b"", rest, origin_s)
        if self._closed_texts.get(context_id) is text:
            del self._closed_texts[context_id]
        final: dict[str, object] = {"audio": None, "isFinal": True}
        await self._send_json(final | warnings_field(speech.finished), context_id)

    async def _send(
        self, context_id: str, audio: bytes, alignment: Alignment | None, origin_s: float
    ) -> None:
        if self._times_from_start:
            origin_s = 0.0
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


def _voice_settings(message: Mapping[str, Any]) -> VoiceSettings:
    """The settings in the first message of a context."""
    try:
        return VoiceSettings.model_validate(message.get("voice_settings") or {})
    except ValidationError as error:
        reason = error.errors()[0]["msg"]
        raise HttpFailure(400, "invalid_message", f"voice_settings: {reason}") from error


def _pronunciations(message: Mapping[str, Any]) -> Pronunciations:
    """The readings of words in the first message of a context."""
    try:
        return Pronunciations.model_validate(message)
    except ValidationError as error:
        field, reason = error.errors()[0]["loc"][0], error.errors()[0]["msg"]
        raise HttpFailure(400, "invalid_message", f"{field}: {reason}") from error


def _parsed(text: str) -> dict[str, Any]:
    try:
        message = json.loads(text)
    except (ValueError, RecursionError):
        message = None
    if not isinstance(message, dict):
        raise HttpFailure(400, "invalid_message", "the message is not a JSON object")
    return message
