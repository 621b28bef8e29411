"""Speaks one text or context, from its request to its last message. Knows no calls."""

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass, replace

from barkserve.checkpoint.folder import CheckpointFolder
from barkserve.checkpoint.voices import Voice
from barkserve.constants import MAX_OPTIONS_BYTES, MAX_VOICE_BYTES
from barkserve.errors import BarkserveError, InvalidArgument
from barkserve.orchestrator.admission.admission import StreamAdmission
from barkserve.orchestrator.admission.hold_limit import HoldLimit
from barkserve.orchestrator.admission.stream import Stream
from barkserve.orchestrator.audio.playout_clock import PlayoutClock
from barkserve.orchestrator.audio.time_stretcher import TimeStretcher
from barkserve.orchestrator.session.limits import Limits
from barkserve.orchestrator.session.received import Received, check_same, resumed_cuts
from barkserve.orchestrator.session.report import SessionReport
from barkserve.orchestrator.session.responses import Message, ResponseBuilder
from barkserve.orchestrator.session.speech_metrics import SpeechMetrics
from barkserve.orchestrator.session.speech_record import SpeechRecord
from barkserve.orchestrator.session.timeouts import with_timeouts
from barkserve.orchestrator.stages.chunk_plan import slowest_chunk_plan
from barkserve.orchestrator.synthesis.events import Flushed, SegmentEnded
from barkserve.orchestrator.synthesis.pipeline import StageClients
from barkserve.orchestrator.synthesis.plan import Plan, make_plan, resolve_speaking_rate
from barkserve.orchestrator.synthesis.synthesis import Synthesis
from barkserve.orchestrator.synthesis.voice_histories import VoiceHistories
from barkserve.orchestrator.text.budget import Budget
from barkserve.orchestrator.text.feed import TextFeed
from barkserve.orchestrator.text.lexicon_entries import ServerLexicon, request_lexicon
from barkserve.orchestrator.text.markup.formats import make_markup
from barkserve.orchestrator.text.segmenter import Segmenter
from barkserve.orchestrator.text.warnings import Warnings
from barkserve.orchestrator.voices.catalog import VoiceCatalog
from barkserve.orchestrator.voices.selection import VoiceSelector
from barkserve.serving.auth.admitted_rpc import require_role
from barkserve.serving.auth.quotas import CallerQuotas
from barkserve.serving.caller import Role
from barkserve.v1 import common_pb2, speech_pb2


@dataclass(frozen=True)
class SpeechBackend:
    """What all sessions of a server share.

    Attributes:
        stages: the replicas of each stage.
        folder: the checkpoint.
        catalog: the voices that have names or handles.
        voices: finds the voices that requests select.
        budget: the size of a segment.
        languages: BCP 47 codes of what the checkpoint speaks; empty if unknown.
        lexicon: returns the words of the server's file.
        limits: the server's limits.
        quotas: count the text of each caller.
        metrics: the instruments of speech.
        log_text: whether the log shows the texts.
        admission: accepts the sessions that speak.
        open_contexts: limits the contexts, also those that have nothing to speak.
    """

    stages: StageClients
    folder: CheckpointFolder
    catalog: VoiceCatalog
    voices: VoiceSelector
    budget: Budget
    languages: Sequence[str]
    lexicon: Callable[[], ServerLexicon]
    limits: Limits
    quotas: CallerQuotas
    metrics: SpeechMetrics
    admission: StreamAdmission
    open_contexts: HoldLimit
    log_text: bool = False


class Session:
    """One text or context. Made for one use, inside an event loop.

    It counts as a stream from its first text until `messages` is closed. A session that waits for a
    client to read counts too.

    Args:
        backend: what all sessions share.
        request: how to speak, without text. The session keeps it.
        deadline: the client's deadline in the event loop's time, None for none.
        max_delay_s: how long text may wait for the end of its sentence.

    Attributes:
        feed: takes the text, before and while `messages` is read.

    Raises:
        InvalidArgument: the request is too large to keep, or what it resumes is not valid.
    """

    def __init__(
        self,
        backend: SpeechBackend,
        request: speech_pb2.SynthesizeRequest,
        deadline: float | None,
        max_delay_s: float,
    ) -> None:
        _check_size(request)
        self._backend = backend
        self._request = request
        self._deadline = deadline
        self._clock = PlayoutClock()
        self._accepted = AsyncExitStack()
        self._stream: Stream | None = None
        if request.HasField("resume"):
            request.seed = request.resume.started.seed
            request.request_id = request.resume.started.request_id
            if request.resume.started.HasField("chunk_plan"):
                request.fine.chunk_plan.CopyFrom(request.resume.started.chunk_plan)
        self._warnings = Warnings()
        self._segmenter = Segmenter(
            "",
            backend.budget,
            resumed_cuts(request.resume),
            make_markup(request.text_format, self._warn_of_markup),
            self._warnings.skipped,
        )
        self._received = Received(request.resume)
        self._server_lexicon = backend.lexicon()
        self._report = SessionReport(
            backend.folder.bark,
            self._warnings,
            backend.languages,
            return_voice=request.return_voice,
            sample_count=request.resume.sample_count,
        )
        self._record = SpeechRecord(
            backend.metrics, self._clock, self._report, deadline, with_text=backend.log_text
        )
        self.feed = TextFeed(
            self._segmenter,
            self._clock.underrun_at,
            backend.limits.max_text_characters,
            max_delay_s,
            max_pending_flushes=backend.limits.max_pending_flushes,
            idle_s=backend.limits.context_idle_s,
            count=backend.quotas.count_characters,
        )

    @property
    def request_id(self) -> str:
        """The id that the client has chosen; empty without one."""
        return self._request.request_id

    async def messages(self) -> AsyncGenerator[Message, None]:
        """Yield SynthesisStarted, then audio, words and flushes, then SynthesisFinished.

        Raises:
            BarkserveError: the options, the voice or the text are not valid, or a stage failed.
            Overloaded: there is no room for it.
        """
        with self._record.recording():
            async with self._accepted, aclosing(self._speak()) as messages:
                if self.feed.speakable:
                    await self._accept()  # refused before anything is done for it
                async for message in messages:
                    yield message

    async def _speak(self) -> AsyncGenerator[Message, None]:
        plan = await self._resolve_plan()
        self._record.planned(plan)
        self._segmenter.language = plan.language
        config = self._backend.folder.bark
        stretcher = await TimeStretcher.create(config.sample_rate, plan.speaking_rate)
        builder = ResponseBuilder(
            plan.output,
            config,
            self._report,
            self._received,
            stretcher,
            marks=self._request.word_times,
        )
        started = self._started(plan)
        if plan.resumes:
            check_same(self._request.resume.started, started)
        yield started
        synthesis = Synthesis(
            replace(self._backend.stages, observer=self._record),
            plan,
            self.feed,
            self._backend.budget,
            self._clock,
            self._deadline,
            self._accept,
            self._warnings,
            VoiceHistories(plan.voice, self._find_voice, self._warn_of_voice),
        )
        async with (
            aclosing(synthesis.events()) as events,
            aclosing(with_timeouts(events, builder.due_in)) as timed_events,
        ):
            async for event in timed_events:
                for message in builder.messages(event) if event else builder.due():
                    self._count(message, plan)
                    yield message
                if isinstance(event, Flushed):
                    self.feed.flush_done()
                elif isinstance(event, SegmentEnded):
                    self._record.spoke(event.utterance.segment.text)
        for message in builder.end():
            self._count(message, plan)
            yield message
        yield await self._finished(plan)

    async def _accept(self) -> None:
        """Become a stream, unless it is one. Raises Overloaded if there is no room."""
        if self._stream is None:
            accepting = self._backend.admission.stream(
                self.feed.characters,
                resumed=self._request.HasField("resume"),
                speaking_rate=resolve_speaking_rate(self._request),
            )
            with self._record.admitting():
                self._stream = await self._accepted.enter_async_context(accepting)

    def note_refusal(self, error: BarkserveError) -> None:
        """Count a refusal that ends the session without ending its call."""
        self._backend.metrics.service.refused(error)

    def cancelled(self) -> speech_pb2.SynthesisFinished:
        """The final message of a session that was cancelled."""
        return self._report.finished(cancelled=True)

    async def _resolve_plan(self) -> Plan:
        backend, request = self._backend, self._request
        if request.keep_voice:
            require_role(Role.MANAGE_VOICES, "keep_voice")
            await backend.catalog.check_keeping()
        self._choose_chunk_plan()
        own = request_lexicon(request.lexicon, self._warnings)
        return make_plan(
            request,
            await backend.voices.select(request.voice),
            backend.folder.bark.sample_rate,
            backend.limits.max_seconds_per_character,
            [lexicon for lexicon in (own, self._server_lexicon.lexicon) if lexicon],
        )

    async def _find_voice(self, name: str) -> Voice | None:
        return await self._backend.voices.select(speech_pb2.VoiceSelection(name=name))

    def _warn_of_voice(self, name: str) -> None:
        message = f"the text names voice {name}, which does not exist: the request's voice speaks"
        self._warnings.add(speech_pb2.WARNING_CODE_MARKUP_IGNORED, message)

    def _warn_of_markup(self, message: str, start: int, end: int) -> None:
        code = speech_pb2.WARNING_CODE_MARKUP_IGNORED
        self._warnings.add(code, message, (start, end))

    def _choose_chunk_plan(self) -> None:
        """Choose when the fine stage fills, unless the client did: all segments have one plan."""
        request = self._request
        if request.delivery_mode == common_pb2.DELIVERY_MODE_EXACT:
            request.fine.ClearField("chunk_plan")
        elif not request.fine.HasField("chunk_plan"):
            plan = slowest_chunk_plan(self._backend.stages.pools["fine"])
            if plan is not None:
                request.fine.chunk_plan.CopyFrom(plan)

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
            heartbeat_ms=round(self._backend.limits.heartbeat_s * 1000),
            speaking_rate=plan.speaking_rate,
            chunk_plan=plan.chunk_plan,
            lexicon_revision=self._server_lexicon.revision,
        )

    def _count(self, message: Message, plan: Plan) -> None:
        if isinstance(message, speech_pb2.AudioChunk):
            self._backend.metrics.service.produced(message.sample_count)
            seconds = message.sample_count / plan.output.sample_rate
            self._record.sending_audio(seconds)
            self._clock.sent(seconds)
            if self._stream is not None:
                self._stream.made_s += seconds * plan.speaking_rate
                self._stream.characters = self.feed.characters

    async def _finished(self, plan: Plan) -> speech_pb2.SynthesisFinished:
        """The final message. A voice that cannot be kept does not fail the session."""
        finished = self._report.finished()
        if not self._request.keep_voice:
            return finished
        try:
            voice = self._report.voice.history_prompt()
            finished.voice_handle = await self._backend.voices.keep(voice, plan.language)
        except InvalidArgument as error:
            finished.voice_handle_error = f"the speech is too short: {error.description}"
        except BarkserveError as error:
            finished.voice_handle_error = str(error)
        return finished


def _check_size(request: speech_pb2.SynthesizeRequest) -> None:
    """Check that a session may keep a request. Raises InvalidArgument if it is too large."""
    voice = request.voice
    voice_bytes = len(voice.npz) + voice.history_prompt.ByteSize()
    if voice_bytes > MAX_VOICE_BYTES:
        raise InvalidArgument("voice", f"must have at most {MAX_VOICE_BYTES} bytes")
    if request.ByteSize() - voice_bytes > MAX_OPTIONS_BYTES:
        raise InvalidArgument(
            "options", f"must have at most {MAX_OPTIONS_BYTES} bytes without the text and the voice"
        )
