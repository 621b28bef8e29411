"""SpeechService over gRPC: plans a request, runs the pipeline, encodes what comes out."""

from collections.abc import AsyncGenerator
from contextlib import aclosing

from barkserve.bark_config import BarkConfig
from barkserve.constants import STAGES
from barkserve.engine.admission import Admission
from barkserve.errors import StageFailed
from barkserve.orchestrator.audio import encode
from barkserve.orchestrator.pipeline import Pipeline, Pools
from barkserve.orchestrator.plan import Plan, make_plan
from barkserve.orchestrator.voice_rpcs import VoiceRpcs
from barkserve.orchestrator.voice_selection import VoiceSelector, continuing_voice
from barkserve.serving.context import Context
from barkserve.serving.metrics import Metrics
from barkserve.v1 import speech_pb2, speech_pb2_grpc

Response = speech_pb2.SynthesizeResponse


class SpeechServicer(speech_pb2_grpc.SpeechServiceServicer):
    """barkserve.v1.SpeechService.

    Args:
        pools: the replicas of each stage.
        voices: finds the voices that requests mean.
        voice_rpcs: answers what is asked about voices.
        info: what GetServerInfo says.
        config: the checkpoint's.
        model: the checkpoint's name.
        admission: how many streams may be open.
        metrics: where samples are counted.
    """

    def __init__(
        self,
        pools: Pools,
        voices: VoiceSelector,
        voice_rpcs: VoiceRpcs,
        info: speech_pb2.GetServerInfoResponse,
        config: BarkConfig,
        model: str,
        admission: Admission,
        metrics: Metrics,
    ) -> None:
        self._pools = pools
        self._voices = voices
        self._voice_rpcs = voice_rpcs
        self._info = info
        self._config = config
        self._model = model
        self._admission = admission
        self._metrics = metrics

    async def Synthesize(
        self, request: speech_pb2.SynthesizeRequest, context: Context
    ) -> AsyncGenerator[Response, None]:
        """One text of one utterance."""
        if request.keep_voice:
            self._voices.require_store()
        with self._admission.stream():
            plan = make_plan(request, await self._voices.select(request.voice))
            pipeline = Pipeline(self._pools, plan, context.time_remaining())
            yield Response(started=self._started(plan))
            sample_count = 0
            try:
                async with aclosing(pipeline.samples()) as pieces:
                    async for samples in pieces:
                        self._metrics.produced(len(samples))
                        audio = encode(samples, plan.encoding)
                        yield Response(audio=_chunk(audio, sample_count, plan))
                        sample_count += len(samples)
            finally:
                pipeline.close()
            finished = self._finished(pipeline, plan, sample_count)
            if request.keep_voice:
                continuing = continuing_voice(pipeline.spoken, self._config)
                finished.voice_handle = await self._voices.keep(continuing)
            yield Response(finished=finished)

    async def ListVoices(
        self, request: speech_pb2.ListVoicesRequest, context: Context
    ) -> speech_pb2.ListVoicesResponse:
        """The voices that have names."""
        return await self._voice_rpcs.list(request)

    async def GetVoice(
        self, request: speech_pb2.GetVoiceRequest, context: Context
    ) -> speech_pb2.GetVoiceResponse:
        """One voice."""
        return await self._voice_rpcs.get(request)

    async def CreateVoice(
        self, request: speech_pb2.CreateVoiceRequest, context: Context
    ) -> speech_pb2.CreateVoiceResponse:
        """A voice to keep."""
        return await self._voice_rpcs.create(request)

    async def DeleteVoice(
        self, request: speech_pb2.DeleteVoiceRequest, context: Context
    ) -> speech_pb2.DeleteVoiceResponse:
        """A voice to forget."""
        return await self._voice_rpcs.delete(request)

    async def GetServerInfo(
        self, request: speech_pb2.GetServerInfoRequest, context: Context
    ) -> speech_pb2.GetServerInfoResponse:
        """What this server is."""
        return self._info

    def _started(self, plan: Plan) -> speech_pb2.SynthesisStarted:
        return speech_pb2.SynthesisStarted(
            request_id=plan.request_id,
            seed=plan.seed,
            voice=plan.voice_name,
            encoding=plan.encoding,
            sample_rate_hertz=self._config.sample_rate,
            model=self._model,
        )

    def _finished(
        self, pipeline: Pipeline, plan: Plan, sample_count: int
    ) -> speech_pb2.SynthesisFinished:
        if sample_count == 0:
            raise StageFailed(
                "the network found nothing to say for this text; try another seed or voice"
            )
        spoken = pipeline.spoken
        return speech_pb2.SynthesisFinished(
            finish_reason=spoken.finish_reason,
            sample_count=sample_count,
            stages=[spoken.reports[stage] for stage in STAGES],
            voice=continuing_voice(spoken, self._config) if plan.request.return_voice else None,
        )


def _chunk(audio: bytes, first_sample: int, plan: Plan) -> speech_pb2.AudioChunk:
    """A piece of audio; for now every piece speaks the whole text."""
    span = speech_pb2.TextSpan(start=0, end=len(plan.request.text))
    return speech_pb2.AudioChunk(audio=audio, first_sample=first_sample, text_span=span)
