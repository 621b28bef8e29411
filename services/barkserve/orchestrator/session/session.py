"""One text or context being spoken, from the request to the last message. Knows no calls."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass

from barkserve.checkpoint.folder import CheckpointFolder
from barkserve.errors import BarkserveError, InvalidArgument
from barkserve.orchestrator.audio.playout_clock import PlayoutClock
from barkserve.orchestrator.session.timeouts import in_time
from barkserve.orchestrator.session.limits import Limits
from barkserve.orchestrator.session.responses import Message, ResponseBuilder
from barkserve.orchestrator.synthesis.pipeline import StageClients
from barkserve.orchestrator.synthesis.plan import Plan, make_plan
from barkserve.orchestrator.synthesis.synthesis import Synthesis
from barkserve.orchestrator.text.budget import Budget
from barkserve.orchestrator.text.feed import TextFeed
from barkserve.orchestrator.text.segmenter import Segmenter
from barkserve.orchestrator.voices.catalog import VoiceCatalog
from barkserve.orchestrator.voices.selection import VoiceSelector
from barkserve.serving.metrics import Metrics
from barkserve.v1 import common_pb2, speech_pb2


@dataclass(frozen=True)
class SpeechBackend:
    """What all talks of a server have in common.

    Attributes:
        stages: the replicas of each stage.
        folder: the checkpoint.
        catalog: the voices that have names or handles.
        voices: finds the voices that requests mean.
        budget: how much text a piece holds.
        limits: what is refused.
        metrics: where samples are counted.
    """

    stages: StageClients
    folder: CheckpointFolder
    catalog: VoiceCatalog
    voices: VoiceSelector
    budget: Budget
    limits: Limits
    metrics: Metrics


class Session:
    """One text or context. Made for one use, inside an event loop.

    Args:
        studio: the server's.
        request: how to speak; its text is not looked at.
        deadline: the event loop's time at which the client gives up, None for never.
        max_delay_s: how long text may wait for the end of its sentence.

    Attributes:
        feed: takes the text, from now on.
    """

    def __init__(
        self,
        backend: SpeechBackend,
        request: speech_pb2.SynthesizeRequest,
        deadline: float | None,
        max_delay_s: float,
    ) -> None:
        self._backend = backend
        self._request = request
        self._deadline = deadline
        self._listener = PlayoutClock()
        self._segmenter = Segmenter("", backend.budget)
        self._delivery: ResponseBuilder | None = None
        most = backend.limits.max_text_characters
        self.feed = TextFeed(self._segmenter, self._listener.underrun_at, most, max_delay_s)

    @property
    def sample_count(self) -> int:
        """Samples of the messages so far."""
        return self._delivery.sample_count if self._delivery else 0

    async def messages(self) -> AsyncGenerator[Message, None]:
        """Yields SynthesisStarted, what is spoken, SynthesisFinished.

        Raises:
            BarkserveError: about the options, the voice, the text, or from a stage.
        """
        backend, request = self._backend, self._request
        if request.keep_voice:
            await backend.catalog.check_keeping()
        voice = await backend.voices.select(request.voice)
        plan = make_plan(
            request,
            voice,
            backend.folder.bark.sample_rate,
            backend.limits.max_seconds_per_character,
        )
        self._segmenter.language = plan.language
        self._delivery = delivery = ResponseBuilder(plan, backend.folder.bark)
        yield self._started(plan)
        speech = Synthesis(
            backend.stages, plan, self.feed, backend.budget, self._listener, self._deadline
        )
        async with (
            aclosing(speech.events()) as events,
            aclosing(in_time(events, delivery.due_in)) as timely,
        ):
            async for event in timely:
                for message in delivery.messages(event) if event else delivery.due():
                    self._count(message, plan)
                    yield message
        for message in delivery.end():
            self._count(message, plan)
            yield message
        finished = delivery.finished()
        if request.keep_voice:
            await self._keep_voice(delivery, plan, finished)
        yield finished

    def cancelled(self) -> speech_pb2.SynthesisFinished:
        """The last message of a talk that was cut short."""
        if self._delivery is None:
            return speech_pb2.SynthesisFinished(finish_reason=common_pb2.FINISH_REASON_CANCELLED)
        return self._delivery.finished(cancelled=True)

    async def _keep_voice(
        self, delivery: ResponseBuilder, plan: Plan, finished: speech_pb2.SynthesisFinished
    ) -> None:
        """What has been spoken is not lost with it."""
        try:
            voice = delivery.continuing_voice()
            finished.voice_handle = await self._backend.voices.keep(voice, plan.language)
        except InvalidArgument as error:
            finished.voice_handle_error = f"the speech is too short: {error.description}"
        except BarkserveError as error:
            finished.voice_handle_error = str(error)

    def _count(self, message: Message, plan: Plan) -> None:
        if isinstance(message, speech_pb2.AudioChunk):
            self._backend.metrics.produced(message.sample_count)
            self._listener.sent(message.sample_count / plan.output.sample_rate)

    def _started(self, plan: Plan) -> speech_pb2.SynthesisStarted:
        folder = self._backend.folder
        return speech_pb2.SynthesisStarted(
            request_id=plan.request_id,
            seed=plan.seed,
            voice=plan.voice_name,
            encoding=plan.output.encoding,
            sample_rate_hertz=plan.output.sample_rate,
            model=folder.name,
            model_revision=folder.fingerprint,
        )
