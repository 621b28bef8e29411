"""nvidia.riva.tts.RivaSpeechSynthesis over gRPC, spoken by what speaks for SpeechService."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing

from barkserve.errors import BarkserveError, InvalidArgument
from barkserve.external import riva_tts_pb2, riva_tts_pb2_grpc
from barkserve.orchestrator.riva.options import named_as_in_riva, to_options
from barkserve.orchestrator.riva.responses import Reply, replies
from barkserve.orchestrator.riva.voices import RivaVoices
from barkserve.orchestrator.session.session import Session, SpeechBackend
from barkserve.orchestrator.synthesis.plan import check_text
from barkserve.serving.admission import Admission
from barkserve.serving.rpc_context import RpcContext, deadline

Request = riva_tts_pb2.SynthesizeSpeechRequest

MAX_DELAY_S = 0.4
"""How long a text may wait for the end of its sentence when the client does not say that it has
ended."""
_END = "riva_end_stream"


class RivaServicer(riva_tts_pb2_grpc.RivaSpeechSynthesisServicer):
    """nvidia.riva.tts.RivaSpeechSynthesis.

    Args:
        studio: what speaks.
        voices: knows Riva's names of our voices.
        admission: how many texts may be spoken at once.
    """

    def __init__(self, backend: SpeechBackend, voices: RivaVoices, admission: Admission) -> None:
        self._studio = backend
        self._voices = voices
        self._admission = admission

    async def Synthesize(self, request: Request, context: RpcContext) -> Reply:
        """One text, all of its audio at once."""
        check_text(request.text, self._studio.limits.max_text_characters)
        with named_as_in_riva(), self._admission.stream():
            session = await self._talk(request, context)
            session.feed.push(request.text)
            session.feed.end()
            whole, audio = Reply(), []
            async with aclosing(session.messages()) as messages:
                async for reply in replies(messages):
                    audio.append(reply.audio)
                    whole.MergeFrom(reply)
        whole.audio = b"".join(audio)
        whole.meta.text = whole.meta.processed_text = request.text
        return whole

    async def SynthesizeOnline(
        self, request_iterator: AsyncIterator[Request], context: RpcContext
    ) -> AsyncGenerator[Reply, None]:
        """A text in one request or several, its audio as it comes."""
        first = await anext(aiter(request_iterator), None)
        if first is None:
            raise InvalidArgument("text", "must be sent: the stream holds no request")
        with named_as_in_riva(), self._admission.stream():
            session = await self._talk(first, context)
            reading = asyncio.create_task(_read(first, request_iterator, session))
            try:
                async with aclosing(session.messages()) as messages:
                    async for reply in replies(messages):
                        yield reply
            except BarkserveError:
                if not reading.done() or reading.exception() is None:
                    raise
            finally:
                reading.cancel()
                await asyncio.wait({reading})
            await reading

    async def GetRivaSynthesisConfig(
        self, request: riva_tts_pb2.RivaSynthesisConfigRequest, context: RpcContext
    ) -> riva_tts_pb2.RivaSynthesisConfigResponse:
        """The voices."""
        response = riva_tts_pb2.RivaSynthesisConfigResponse()
        if request.model_name in ("", self._voices.model):
            for parameters in await self._voices.parameters():
                response.model_config.add(model_name=self._voices.model, parameters=parameters)
        return response

    async def _talk(self, request: Request, context: RpcContext) -> Session:
        voice = await self._voices.name_of(request.voice_name, request.language_code)
        return Session(self._studio, to_options(request, voice), deadline(context), MAX_DELAY_S)


async def _read(first: Request, rest: AsyncIterator[Request], session: Session) -> None:
    """Hand all text to a talk, and end it: also where the text goes wrong, for the talk to end and
    the error to be told.
    """
    try:
        if _handed_on(first, first, session):
            async for request in rest:
                session.feed.push(" ")
                if not _handed_on(request, first, session):
                    break
    finally:
        session.feed.end()


def _handed_on(request: Request, first: Request, session: Session) -> bool:
    """Hand a request's text on; False if it was the last. Raises InvalidArgument if it would have
    the text go on in another way.
    """
    ends = request.custom_configuration.get(_END, "").lower() == "true"
    if not ends and _manner(request) != _manner(first):
        raise InvalidArgument(
            "voice_name", "and all else but the text must be the same in all requests of a stream"
        )
    session.feed.push(request.text)
    return not ends


def _manner(request: Request) -> tuple[str, str, int, int]:
    return (
        request.voice_name,
        request.language_code,
        request.encoding,
        request.sample_rate_hz,
    )
