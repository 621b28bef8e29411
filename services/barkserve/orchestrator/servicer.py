"""SpeechService over gRPC: the RPCs that speak, and GetServerInfo."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing

from barkserve.orchestrator.admission.hold_limit import HoldLimit
from barkserve.orchestrator.session.heartbeats import with_heartbeats
from barkserve.orchestrator.session.responses import Message
from barkserve.orchestrator.session.session import Session, SpeechBackend
from barkserve.orchestrator.session.streaming_call import StreamingCall
from barkserve.orchestrator.synthesis.plan import check_text
from barkserve.orchestrator.voices.servicer import VoiceServicer
from barkserve.request_id import begin_request
from barkserve.serving.caller import current_caller
from barkserve.serving.rpc_context import RpcContext, deadline
from barkserve.v1 import speech_pb2


class SpeechServicer(VoiceServicer):
    """barkserve.v1.SpeechService.

    Args:
        backend: what all sessions share.
        info: the answer to GetServerInfo.
        calls: limits the open StreamingSynthesize calls.
    """

    def __init__(
        self,
        backend: SpeechBackend,
        info: speech_pb2.GetServerInfoResponse,
        calls: HoldLimit,
    ) -> None:
        super().__init__(backend.catalog, backend.voices)
        self._backend = backend
        self._info = info
        self._calls = calls
        self._draining = asyncio.Event()

    def start_draining(self) -> None:
        """Refuse new contexts; end each StreamingSynthesize call once its contexts have ended."""
        self._draining.set()

    async def Synthesize(
        self, request: speech_pb2.SynthesizeRequest, context: RpcContext
    ) -> AsyncGenerator[speech_pb2.SynthesizeResponse, None]:
        """Speak a complete text."""
        text = request.text  # once: protobuf decodes it at each access, 5 ms for 4 MB
        request.ClearField("text")
        await check_text(text, self._backend.limits.max_text_characters)
        session = Session(self._backend, request, deadline(context), max_delay_s=0.0)
        if session.request_id:
            begin_request(session.request_id)
        session.feed.push(text)
        session.feed.end()
        async with (
            aclosing(_responses(session)) as responses,
            aclosing(
                with_heartbeats(responses, self._backend.limits.heartbeat_s, _heartbeat)
            ) as kept_alive,
        ):
            async for response in kept_alive:
                yield response

    async def StreamingSynthesize(
        self,
        request_iterator: AsyncIterator[speech_pb2.StreamingSynthesizeRequest],
        context: RpcContext,
    ) -> AsyncGenerator[speech_pb2.StreamingSynthesizeResponse, None]:
        """Speak texts that are still being written."""
        with self._calls.hold(current_caller().name):
            call = StreamingCall(self._backend, deadline(context), self._draining)
            async with aclosing(call.responses(request_iterator)) as responses:
                async for response in responses:
                    yield response

    async def GetServerInfo(
        self, request: speech_pb2.GetServerInfoRequest, context: RpcContext
    ) -> speech_pb2.GetServerInfoResponse:
        """Describe this server."""
        return self._info


async def _responses(session: Session) -> AsyncGenerator[speech_pb2.SynthesizeResponse, None]:
    async with aclosing(session.messages()) as messages:
        async for message in messages:
            yield _response(message)


def _heartbeat() -> speech_pb2.SynthesizeResponse:
    return speech_pb2.SynthesizeResponse(heartbeat=speech_pb2.Heartbeat())


def _response(message: Message) -> speech_pb2.SynthesizeResponse:
    match message:
        case speech_pb2.SynthesisStarted():
            return speech_pb2.SynthesizeResponse(started=message)
        case speech_pb2.AudioChunk():
            return speech_pb2.SynthesizeResponse(audio=message)
        case speech_pb2.WordTimes():
            return speech_pb2.SynthesizeResponse(words=message)
        case speech_pb2.SynthesisFinished():
            return speech_pb2.SynthesizeResponse(finished=message)
        case speech_pb2.FlushDone():
            raise AssertionError("a Synthesize call has no flushes")
