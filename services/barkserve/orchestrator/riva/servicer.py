"""The gRPC service nvidia.riva.tts.RivaSpeechSynthesis, on the same sessions as SpeechService."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing

from barkserve.errors import BarkserveError, IdleTimeout, InvalidArgument
from barkserve.external import riva_tts_pb2, riva_tts_pb2_grpc
from barkserve.orchestrator.admission.hold_limit import HoldLimit
from barkserve.orchestrator.audio.output_format import resolve_format
from barkserve.orchestrator.riva.options import riva_field_names, to_synthesize_request
from barkserve.orchestrator.riva.responses import Response, to_riva_responses
from barkserve.orchestrator.riva.voices import RivaVoices
from barkserve.orchestrator.riva.whole_reply import WholeReply, check_reply_fits
from barkserve.orchestrator.session.session import Session, SpeechBackend
from barkserve.orchestrator.synthesis.plan import check_text
from barkserve.orchestrator.text.language import checked_language
from barkserve.request_id import begin_request
from barkserve.serving.caller import current_caller
from barkserve.serving.rpc_context import RpcContext, deadline
from barkserve.v1 import speech_pb2

Request = riva_tts_pb2.SynthesizeSpeechRequest

MAX_DELAY_S = 0.4
"""How long text may wait for the end of its sentence before it is spoken anyway."""
_END_OF_STREAM = "riva_end_stream"


class RivaServicer(riva_tts_pb2_grpc.RivaSpeechSynthesisServicer):
    """nvidia.riva.tts.RivaSpeechSynthesis.

    Args:
        backend: what all sessions share.
        voices: the voices under Riva's names.
        calls: limits the open SynthesizeOnline calls.
    """

    def __init__(self, backend: SpeechBackend, voices: RivaVoices, calls: HoldLimit) -> None:
        self._backend = backend
        self._voices = voices
        self._calls = calls

    async def Synthesize(self, request: Request, context: RpcContext) -> Response:
        """Speak one text and return all of its audio at once.

        Raises:
            InvalidArgument: the request is wrong, or its audio is too large for one reply.
        """
        text = request.text  # once: protobuf decodes it at each access, 5 ms for 4 MB
        await check_text(text, self._backend.limits.max_text_characters)
        with riva_field_names():
            options = await self._translate(request)
            own_rate = self._backend.folder.bark.sample_rate
            check_reply_fits(text, resolve_format(options.audio_format, own_rate))
            session = self._new_session(options, context)
            session.feed.push(text)
            session.feed.end()
            reply = WholeReply(text)
            async with aclosing(session.messages()) as messages:
                async for response in to_riva_responses(messages):
                    reply.add(response)
        return reply.joined()

    async def SynthesizeOnline(
        self, request_iterator: AsyncIterator[Request], context: RpcContext
    ) -> AsyncGenerator[Response, None]:
        """Speak the text of one or more requests and stream the audio."""
        with self._calls.hold(current_caller().name), riva_field_names():
            async with aclosing(self._speak(request_iterator, context)) as responses:
                async for response in responses:
                    yield response

    async def GetRivaSynthesisConfig(
        self, request: riva_tts_pb2.RivaSynthesisConfigRequest, context: RpcContext
    ) -> riva_tts_pb2.RivaSynthesisConfigResponse:
        """List the voices of the model."""
        response = riva_tts_pb2.RivaSynthesisConfigResponse()
        if request.model_name in ("", self._voices.model):
            for parameters in await self._voices.parameters():
                response.model_config.add(model_name=self._voices.model, parameters=parameters)
        return response

    async def _speak(
        self, requests: AsyncIterator[Request], context: RpcContext
    ) -> AsyncGenerator[Response, None]:
        first = await self._first_request(requests)
        if first is None:
            raise InvalidArgument("text", "must be sent: the stream ended without a request")
        session = self._new_session(await self._translate(first), context)
        reading = asyncio.create_task(_read_requests(first, requests, session))
        try:
            async with aclosing(session.messages()) as messages:
                async for response in to_riva_responses(messages):
                    yield response
        except BarkserveError:
            # An error of the requests explains this one. It is raised below.
            if not reading.done() or reading.exception() is None:
                raise
        finally:
            reading.cancel()
            await asyncio.wait({reading})
        await reading

    async def _first_request(self, requests: AsyncIterator[Request]) -> Request | None:
        """Read the first request; None if the client sends none."""
        limit_s = self._backend.limits.call_idle_s
        try:
            async with asyncio.timeout(limit_s or None):
                return await anext(aiter(requests), None)
        except TimeoutError:
            raise IdleTimeout(
                f"no request came within {limit_s:g} s: call again when there is text, or raise "
                "--call-idle-seconds"
            ) from None

    async def _translate(self, request: Request) -> speech_pb2.SynthesizeRequest:
        if request.id.value:
            begin_request(request.id.value)
        language = checked_language(request.language_code)
        voice = await self._voices.resolve_name(request.voice_name, language)
        return to_synthesize_request(request, voice)

    def _new_session(self, options: speech_pb2.SynthesizeRequest, context: RpcContext) -> Session:
        return Session(self._backend, options, deadline(context), MAX_DELAY_S)


async def _read_requests(first: Request, rest: AsyncIterator[Request], session: Session) -> None:
    """Push the text of all requests to a session, then end its text.

    The text also ends after a wrong request, so that the session ends and the error can be raised.
    """
    try:
        if _push_text(first, first, session):
            async for request in rest:
                session.feed.push(" ")
                if not _push_text(request, first, session):
                    break
    finally:
        session.feed.end()


def _push_text(request: Request, first: Request, session: Session) -> bool:
    """Push a request's text; return False if the request ends the stream.

    Raises:
        InvalidArgument: the options differ from those of the first request.
    """
    ends = request.custom_configuration.get(_END_OF_STREAM, "").lower() == "true"
    if not ends and _options(request) != _options(first):
        raise InvalidArgument(
            "voice_name",
            "must not change within a stream, nor may language_code, encoding or sample_rate_hz",
        )
    session.feed.push(request.text)
    return not ends


def _options(request: Request) -> tuple[str, str, int, int]:
    return (
        request.voice_name,
        request.language_code,
        request.encoding,
        request.sample_rate_hz,
    )
