"""Speaks a text of any length, segment after segment, as continuous speech.

The next segment starts while the previous one is still being decoded: each stage starts it as soon
as that stage has finished the previous one. At most SEGMENTS_IN_FLIGHT segments exist at a time, so
memory does not grow with the text, and a reader that stops stops all stages. Knows no encodings and
no messages to clients.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import contextmanager

from barkserve.errors import BarkserveError, NothingToSpeak, StageFailed, TextTooLong
from barkserve.orchestrator.audio.playout_clock import PlayoutClock
from barkserve.orchestrator.audio.silence import SilenceTrimmer
from barkserve.orchestrator.audio.time_stretcher import TimeStretcher
from barkserve.orchestrator.stages.retry import RetryPolicy
from barkserve.orchestrator.synthesis.attempt import Attempt
from barkserve.orchestrator.synthesis.codec_stream import CodecStream
from barkserve.orchestrator.synthesis.events import (
    Flushed,
    MarkReached,
    SegmentEnded,
    SegmentSamples,
    Silence,
    SynthesisEnded,
    SynthesisEvent,
)
from barkserve.orchestrator.synthesis.history import History
from barkserve.orchestrator.synthesis.pipeline import Pipeline, StageClients
from barkserve.orchestrator.synthesis.plan import NOTHING_TO_SPEAK, Plan
from barkserve.orchestrator.synthesis.seeds import segment_seed
from barkserve.orchestrator.synthesis.utterance import Utterance
from barkserve.orchestrator.synthesis.voice_histories import VoiceHistories
from barkserve.orchestrator.text.budget import Budget
from barkserve.orchestrator.text.feed import TextFeed
from barkserve.orchestrator.text.lexicon import read_words
from barkserve.orchestrator.text.markup.items import Mark, Pause
from barkserve.orchestrator.text.segment import Segment, split_in_half
from barkserve.orchestrator.text.segmenter import FlushMark
from barkserve.orchestrator.text.warnings import Warnings
from barkserve.v1 import common_pb2

SEGMENTS_IN_FLIGHT = 2
NO_SAMPLES = (
    "the model found nothing to say for this text; try another seed or voice. If "
    "semantic.min_eos_p was given, raise it"
)
SILENCE_S = 1.0
"""The longest silence in one event, so that no message becomes too large."""
MIN_RETRY_S = 10.0
"""How long, at least, a synthesis that has begun waits for a stage without room."""


class Synthesis:
    """The synthesis of one text. Made for one use.

    Args:
        stages: the replicas of each stage.
        plan: how to speak.
        feed: the text.
        budget: the size of the text's segments.
        clock: the client's playback.
        deadline: the client's deadline in the event loop's time, None for none.
        accept: called before each segment; raises if there is no room for the stream.
        warnings: gets those about segments that are passed over.
        histories: what each voice continues.
    """

    def __init__(
        self,
        stages: StageClients,
        plan: Plan,
        feed: TextFeed,
        budget: Budget,
        clock: PlayoutClock,
        deadline: float | None,
        accept: Callable[[], Awaitable[None]],
        warnings: Warnings,
        histories: VoiceHistories,
    ) -> None:
        self._stages = stages
        self._plan = plan
        self._feed = feed
        self._budget = budget
        self._clock = clock
        self._deadline = deadline
        self._accept = accept
        self._warnings = warnings
        self._histories = histories
        self._free = asyncio.Semaphore(SEGMENTS_IN_FLIGHT)
        self._started: asyncio.Queue[Attempt | Pause | Mark | FlushMark | Exception | None] = (
            asyncio.Queue()
        )
        self._open: set[Pipeline] = set()
        self._refused: deque[Segment] = deque()  # parts of a segment that was too long
        self._empty_error: BarkserveError = NothingToSpeak("text", NOTHING_TO_SPEAK)
        self._codec = CodecStream(stages, self._retry_policy(0), plan.speaking_rate)
        self._frame_count = 0  # of segments that were sent
        self._sample_count = 0

    async def events(self) -> AsyncGenerator[SynthesisEvent, None]:
        """Yield samples and ends of segments as they are ready.

        Raises:
            BarkserveError: a stage failed, the text is not valid, or no sample was made of it.
        """
        producing = asyncio.create_task(self._produce())
        try:
            while (item := await self._started.get()) is not None:
                if isinstance(item, Exception):
                    raise item
                if not isinstance(item, Attempt):
                    for event in self._between(item):
                        yield event
                    continue
                with self._closing(item):
                    utterance, spoken = item.pipeline.utterance, item.pipeline.spoken
                    self._codec.begin(item.pipeline)
                    while not item.ended:
                        if len(samples := item.push(await self._codec.read())):
                            self._sample_count += len(samples)
                            yield SegmentSamples(utterance, spoken, samples)
                    sent = item.accepted.result()
                    if sent:
                        self._empty_error = StageFailed(NO_SAMPLES)
                        self._frame_count += item.pipeline.frame_count
                        yield SegmentEnded(utterance, spoken, item.finish_reason)
                    self._codec = self._codec.following(sent=sent)
            if self._sample_count == 0:
                raise self._empty_error
            report = common_pb2.StageReport(stage="codec")
            if self._frame_count:
                report = await self._codec.finish()
            report.output_count = self._frame_count * self._stages.config.codec.hop_length
            yield SynthesisEnded(report)
        finally:
            producing.cancel()
            self._codec.close()
            for pipeline in self._open:
                pipeline.close()
            await asyncio.wait([producing])

    def _between(self, part: Pause | Mark | FlushMark) -> Iterator[SynthesisEvent]:
        """The events of what is between two segments."""
        match part:
            case Pause(seconds):
                left = round(seconds * self._stages.config.sample_rate)
                self._sample_count += left
                while left > 0:
                    count = min(left, round(SILENCE_S * self._stages.config.sample_rate))
                    yield Silence(part, count)
                    left -= count
            case Mark():
                yield MarkReached(part)
            case FlushMark(flush_id):
                yield Flushed(flush_id)

    @contextmanager
    def _closing(self, attempt: Attempt) -> Iterator[None]:
        """Free an attempt's place at its end; a segment that a stage refuses is passed over."""
        try:
            yield
        except TextTooLong:
            pass  # its halves follow
        except NothingToSpeak as error:
            self._empty_error = error
            segment = attempt.pipeline.utterance.segment
            self._warnings.skipped(segment.text, (segment.start, segment.end))
        finally:
            attempt.pipeline.close()
            self._open.discard(attempt.pipeline)
            self._clock.segment_ended()
            self._feed.wake()
            self._free.release()

    async def _produce(self) -> None:
        """Start attempt after attempt, each as soon as the previous one allows it."""
        index = 0
        try:
            while True:
                await self._free.acquire()
                item = self._refused.popleft() if self._refused else await self._feed.next()
                if not isinstance(item, Segment):
                    self._free.release()
                    self._started.put_nowait(item)
                    if item is None:
                        return
                    continue
                await self._accept()
                await TimeStretcher.prepare(item.style.rate)
                history = await self._histories.get(item.style.voice)
                attempt = self._start(item, index, history, redraw=item.redraws or 0)
                while speakable := await self._semantic_complete(attempt.pipeline):
                    if await attempt.accepted:
                        break
                    await self._free.acquire()
                    redraw = attempt.pipeline.utterance.redraw + 1
                    attempt = self._start(item, index, history, redraw)
                if speakable:
                    self._histories.set(item.style.voice, attempt.pipeline.next_history)
                    index += 1
        except Exception as error:
            self._started.put_nowait(error)

    def _start(self, segment: Segment, index: int, history: History, redraw: int) -> Attempt:
        plan, config = self._plan, self._stages.config
        requested, generation = plan.request.semantic.max_tokens, config.semantic_generation
        reading = read_words(segment.text, plan.lexicons)
        utterance = Utterance(
            plan,
            segment,
            reading,
            index,
            redraw,
            seed=segment_seed(plan.seed, index, redraw),
            max_tokens=plan.tail.max_tokens(reading.text, self._budget, requested, generation),
            max_tail_tokens=plan.tail.max_tail_tokens(config, word_times=plan.request.word_times),
        )
        pipeline = Pipeline(self._stages, utterance, history, self._retry_policy(index))
        trimmer = SilenceTrimmer(
            config.sample_rate, config.codec.hop_length, plan.tail.max_silence_seconds
        )
        may_fail = segment.redraws is None and redraw < plan.tail.max_redraws
        attempt = Attempt(pipeline, trimmer, may_fail=may_fail)
        self._open.add(pipeline)
        self._clock.segment_started()
        pipeline.start()
        self._started.put_nowait(attempt)
        return attempt

    async def _semantic_complete(self, pipeline: Pipeline) -> bool:
        """Wait for the last semantic token; False if the stage refused the segment's text."""
        segment = pipeline.utterance.segment
        try:
            await pipeline.next_history.get("semantic")
        except TextTooLong:
            if len(segment.text) < 2:
                raise
            self._refused.extendleft(reversed(split_in_half(segment, self._budget)))
            return False
        except NothingToSpeak:
            return False
        return True

    def _retry_policy(self, index: int) -> RetryPolicy:
        """How long a segment waits for a stage without room.

        A new synthesis that has sent nothing fails at once, since the client can call again. One
        that has begun waits at least as long as the client has audio to play.
        """

        def max_wait_s() -> float:
            begun = index > 0 or self._sample_count > 0 or self._plan.resumes
            return max(self._clock.lead_s, MIN_RETRY_S) if begun else 0.0

        return RetryPolicy(self._deadline, max_wait_s, lambda: self._clock.lead_s)
