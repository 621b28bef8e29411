"""The voice RPCs of SpeechService."""

import asyncio

from barkserve.checkpoint.voice_card import VoiceCard
from barkserve.constants import NO_VOICE
from barkserve.errors import InvalidArgument
from barkserve.orchestrator.text.language import checked_language
from barkserve.orchestrator.voices.catalog import VoiceCatalog
from barkserve.orchestrator.voices.selection import VoiceSelector, history_prompt
from barkserve.request_id import current_request_id
from barkserve.serving import audit
from barkserve.serving.caller import current_caller
from barkserve.serving.rpc_context import RpcContext
from barkserve.v1 import speech_pb2, speech_pb2_grpc

MAX_DESCRIPTION_CHARACTERS = 500


class VoiceServicer(speech_pb2_grpc.SpeechServiceServicer):
    """The part of barkserve.v1.SpeechService that lists, creates and deletes voices.

    Args:
        catalog: all voices.
        selector: finds the voice that a new one is made from.
    """

    def __init__(self, catalog: VoiceCatalog, selector: VoiceSelector) -> None:
        self._catalog = catalog
        self._selector = selector

    async def ListVoices(
        self, request: speech_pb2.ListVoicesRequest, context: RpcContext
    ) -> speech_pb2.ListVoicesResponse:
        """List the voices that have names."""
        language = checked_language(request.language_code)
        cards = await self._catalog.cards(language)
        return speech_pb2.ListVoicesResponse(voices=map(self._message, cards))

    async def GetVoice(
        self, request: speech_pb2.GetVoiceRequest, context: RpcContext
    ) -> speech_pb2.GetVoiceResponse:
        """Describe one voice."""
        card = await self._catalog.card(request.name)
        response = speech_pb2.GetVoiceResponse(voice=self._message(card))
        if request.include_history_prompt:
            voice = await self._catalog.get(request.name)
            response.history_prompt.CopyFrom(await asyncio.to_thread(history_prompt, voice))
        return response

    async def CreateVoice(
        self, request: speech_pb2.CreateVoiceRequest, context: RpcContext
    ) -> speech_pb2.CreateVoiceResponse:
        """Store a voice under a name."""
        self._catalog.require_store()
        if len(request.description) > MAX_DESCRIPTION_CHARACTERS:
            raise InvalidArgument(
                "description", f"must be at most {MAX_DESCRIPTION_CHARACTERS} characters"
            )
        language = checked_language(request.language_code)
        if request.source.WhichOneof("voice") is None:
            raise InvalidArgument(
                "source", "must be a history prompt, an .npz file, a handle or a name"
            )
        voice = await self._selector.select(request.source, "source")
        if voice is None:
            raise InvalidArgument("source.name", f"must name a voice; {NO_VOICE!r} means no voice")
        language = language or voice.language
        card = VoiceCard(request.name, language, request.description, stored=True)
        replaced = await self._catalog.create(card, voice, replace=request.replace)
        _record("voice_replaced" if replaced else "voice_created", card.name)
        return speech_pb2.CreateVoiceResponse(voice=self._message(card))

    async def DeleteVoice(
        self, request: speech_pb2.DeleteVoiceRequest, context: RpcContext
    ) -> speech_pb2.DeleteVoiceResponse:
        """Delete a stored voice."""
        await self._catalog.delete(request.name)
        _record("voice_deleted", request.name)
        return speech_pb2.DeleteVoiceResponse()

    def _message(self, card: VoiceCard) -> speech_pb2.Voice:
        return speech_pb2.Voice(
            name=card.name,
            is_default=card.name == self._selector.default,
            language_code=card.language,
            description=card.description,
            origin=speech_pb2.VOICE_ORIGIN_STORED
            if card.stored
            else speech_pb2.VOICE_ORIGIN_CHECKPOINT,
        )


def _record(event: str, voice: str) -> None:
    """Write a change of a voice to the audit log."""
    caller = current_caller().name
    audit.record(event, caller=caller, voice=voice, request_id=current_request_id())
