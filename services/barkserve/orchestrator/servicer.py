"""SpeechService over gRPC: hands each call to what answers it."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Any

from barkserve.orchestrator.session.responses import Message
from barkserve.orchestrator.session.session import Session, SpeechBackend
from barkserve.orchestrator.session.streaming_call import StreamingCall
from barkserve.orchestrator.synthesis.plan import check_text
from barkserve.orchestrator.voices.servicer import VoiceRpcs
from barkserve.serving.admission import Admission
from barkserve.serving.rpc_context import RpcContext, deadline
from barkserve.v1 import speech_pb2, speech_pb2_grpc

_KINDS: dict[type[Message], str] = {
    speech_pb2.SynthesisStarted: "started",
    speech_pb2.AudioChunk: "audio",
    speech_pb2.WordTimes: "words",
    speech_pb2.SynthesisFinished: "finished",
}


class SpeechServicer(speech_pb2_grpc.SpeechServiceServicer):
    """barkserve.v1.SpeechService.

    Args:
        studio: what speaks.
        voice_rpcs: answers what is asked about voices.
        info: what GetServerInfo says.
        admission: how many texts and contexts may be spoken at once.
    """

    def __init__(
        self,
        backend: SpeechBackend,
        voice_rpcs: VoiceRpcs,
        info: speech_pb2.GetServerInfoResponse,
        admission: Admission,
    ) -> None:
        self._studio = backend
        self._voice_rpcs = voice_rpcs
        self._info = info
        self._admission = admission
        self._draining = asyncio.Event()

    def start_draining(self) -> None:
        """From now on begin no further context, and end each call that has none any more."""
        self._draining.set()

    async def Synthesize(
        self, request: speech_pb2.SynthesizeRequest, context: RpcContext
    ) -> AsyncGenerator[speech_pb2.SynthesizeResponse, None]:
        """One text that is all there."""
        check_text(request.text, self._studio.limits.max_text_characters)
        with self._admission.stream():
            session = Session(self._studio, request, deadline(context), max_delay_s=0.0)
            session.feed.push(request.text)
            session.feed.end()
            async with aclosing(session.messages()) as messages:
                async for message in messages:
                    part: dict[str, Any] = {_KINDS[type(message)]: message}
                    yield speech_pb2.SynthesizeResponse(**part)

    async def StreamingSynthesize(
        self,
        request_iterator: AsyncIterator[speech_pb2.StreamingSynthesizeRequest],
        context: RpcContext,
    ) -> AsyncGenerator[speech_pb2.StreamingSynthesizeResponse, None]:
        """Texts that are still being written."""
        conversation = StreamingCall(
            self._studio, self._admission, deadline(context), self._draining
        )
        async with aclosing(conversation.responses(request_iterator)) as responses:
            async for response in responses:
                yield response

    async def ListVoices(
        self, request: speech_pb2.ListVoicesRequest, context: RpcContext
    ) -> speech_pb2.ListVoicesResponse:
        """The voices that have names."""
        return await self._voice_rpcs.list(request)

    async def GetVoice(
        self, request: speech_pb2.GetVoiceRequest, context: RpcContext
    ) -> speech_pb2.GetVoiceResponse:
        """One voice."""
        return await self._voice_rpcs.get(request)

    async def CreateVoice(
        self, request: speech_pb2.CreateVoiceRequest, context: RpcContext
    ) -> speech_pb2.CreateVoiceResponse:
        """A voice to keep."""
        return await self._voice_rpcs.create(request)

    async def DeleteVoice(
        self, request: speech_pb2.DeleteVoiceRequest, context: RpcContext
    ) -> speech_pb2.DeleteVoiceResponse:
        """A voice to forget."""
        return await self._voice_rpcs.delete(request)

    async def GetServerInfo(
        self, request: speech_pb2.GetServerInfoRequest, context: RpcContext
    ) -> speech_pb2.GetServerInfoResponse:
        """What this server is."""
        return self._info
