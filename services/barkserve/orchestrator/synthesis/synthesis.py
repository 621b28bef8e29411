"""Speaks a text of any length, piece after piece, as one speech.

While a piece is being heard, the next is already under way: its semantic tokens begin when those of
the piece before are complete, and so on stage by stage. No more than these two are ever there, so a
book takes no more memory than a page, and a reader who stops stops it all. Knows neither encodings
nor messages to clients.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator
from contextlib import aclosing

from barkserve.errors import BarkserveError, NothingToSpeak, StageFailed, TextTooLong
from barkserve.orchestrator.audio.playout_clock import PlayoutClock
from barkserve.orchestrator.audio.silence import SilenceTrimmer
from barkserve.orchestrator.stages.retry import RetryPolicy
from barkserve.orchestrator.synthesis.attempt import Attempt
from barkserve.orchestrator.synthesis.codec_stream import CodecStream
from barkserve.orchestrator.synthesis.events import (
    Flushed,
    SegmentEnded,
    SegmentSamples,
    SynthesisEnded,
    SynthesisEvent,
)
from barkserve.orchestrator.synthesis.history import History
from barkserve.orchestrator.synthesis.pipeline import Pipeline, StageClients
from barkserve.orchestrator.synthesis.plan import NOTHING, Plan
from barkserve.orchestrator.synthesis.seeds import segment_seed
from barkserve.orchestrator.synthesis.utterance import Utterance
from barkserve.orchestrator.text.budget import Budget
from barkserve.orchestrator.text.feed import TextFeed
from barkserve.orchestrator.text.segmenter import FlushMark, Segment, split_in_half

SEGMENTS_IN_FLIGHT = 2
NOTHING_MADE = "the model found nothing to say for this text; try another seed or voice"
FULL_STAGE_S = 10.0
"""How long, at least, a speech that has begun goes on asking a stage that is full."""


class Synthesis:
    """One text being spoken. Made for one use.

    Args:
        chain: the stages.
        plan: how to speak.
        feed: the text.
        budget: how the text's pieces were measured.
        listener: who hears it.
        deadline: the event loop's time at which the client gives up, None for never.
    """

    def __init__(
        self,
        chain: StageClients,
        plan: Plan,
        feed: TextFeed,
        budget: Budget,
        listener: PlayoutClock,
        deadline: float | None,
    ) -> None:
        self._chain = chain
        self._plan = plan
        self._feed = feed
        self._budget = budget
        self._listener = listener
        self._deadline = deadline
        self._room = asyncio.Semaphore(SEGMENTS_IN_FLIGHT)
        self._under_way: asyncio.Queue[Attempt | FlushMark | Exception | None] = asyncio.Queue()
        self._open: set[Pipeline] = set()
        self._refused: deque[Segment] = deque()  # what is left of a piece that was too long
        self._silence: BarkserveError = NothingToSpeak("text", NOTHING)  # what to say if it stays
        self._codec = CodecStream(chain.pools["codec"], chain.config, self._patience(0))
        self._frame_count = 0  # of pieces that were heard
        self._sample_count = 0

    async def events(self) -> AsyncGenerator[SynthesisEvent, None]:
        """Yields what is spoken as it comes.

        Raises:
            BarkserveError: what a stage said, what was wrong with the text, or that nothing came.
        """
        producing = asyncio.create_task(self._produce())
        try:
            while (item := await self._under_way.get()) is not None:
                if isinstance(item, Exception):
                    raise item
                if isinstance(item, FlushMark):
                    yield Flushed(item.flush_id)
                    continue
                async with aclosing(self._spoken(item)) as events:
                    async for event in events:
                        yield event
            if self._sample_count == 0:
                raise self._silence
            self._codec.add(None)
            report = await self._codec.finish()
            report.output_count = self._frame_count * self._chain.config.codec.hop_length
            yield SynthesisEnded(report)
        finally:
            producing.cancel()
            self._codec.close()
            for pipeline in self._open:
                pipeline.close()
            await asyncio.wait([producing])

    async def _spoken(self, take: Attempt) -> AsyncGenerator[SynthesisEvent, None]:
        """The events of one piece, none of a take that failed."""
        pipeline = take.pipeline
        utterance, spoken = pipeline.utterance, pipeline.spoken
        try:
            self._codec.add(pipeline)
            async with aclosing(take.samples(self._codec.samples(pipeline))) as parts:
                async for samples in parts:
                    self._sample_count += len(samples)
                    yield SegmentSamples(utterance, spoken, samples)
            if take.accepted.result():
                self._silence = StageFailed(NOTHING_MADE)  # if no piece is heard
                self._frame_count += pipeline.frame_count
                yield SegmentEnded(utterance, spoken)
            self._codec = self._codec.after(pipeline, heard=take.accepted.result())
        except TextTooLong:
            pass  # its halves come next
        except NothingToSpeak as error:
            self._silence = error
        finally:
            pipeline.close()
            self._open.discard(pipeline)
            self._listener.segment_ended()
            self._feed.wake()
            self._room.release()

    async def _produce(self) -> None:
        """Start piece after piece, as soon as the one before lets it."""
        before, index = History.of_voice(self._plan.voice), 0
        try:
            while True:
                await self._room.acquire()
                item = self._refused.popleft() if self._refused else await self._feed.next()
                if not isinstance(item, Segment):
                    self._room.release()
                    self._under_way.put_nowait(item)
                    if item is None:
                        return
                    continue
                take = self._start(item, index, before, 0)
                while spoken := await self._semantic_complete(take.pipeline):
                    if await take.accepted:
                        break
                    await self._room.acquire()
                    redraw = take.pipeline.utterance.redraw + 1
                    take = self._start(item, index, before, redraw)
                if spoken:
                    before, index = take.pipeline.after, index + 1
        except Exception as error:
            self._under_way.put_nowait(error)

    def _start(self, segment: Segment, index: int, before: History, redraw: int) -> Attempt:
        plan, config = self._plan, self._chain.config
        asked, generation = plan.request.semantic.max_tokens, config.semantic_generation
        utterance = Utterance(
            plan,
            segment,
            index,
            redraw,
            seed=segment_seed(plan.seed, index, redraw),
            max_tokens=plan.tail.max_tokens(segment.text, asked, generation),
            max_tail_tokens=plan.tail.max_tail_tokens(generation),
        )
        pipeline = Pipeline(self._chain, utterance, before, self._patience(index))
        trimmer = SilenceTrimmer(config.sample_rate, plan.tail.max_silence_seconds)
        take = Attempt(pipeline, trimmer, may_fail=redraw < plan.tail.max_redraws)
        self._open.add(pipeline)
        self._listener.segment_started()
        pipeline.start()
        self._under_way.put_nowait(take)
        return take

    async def _semantic_complete(self, pipeline: Pipeline) -> bool:
        """Wait for a piece's last semantic token; False if the piece cannot be spoken as it is."""
        segment = pipeline.utterance.segment
        try:
            await pipeline.after.of("semantic")
        except TextTooLong:
            if len(segment.text) < 2:
                raise
            self._refused.extendleft(reversed(split_in_half(segment, self._budget)))
            return False
        except NothingToSpeak:
            return False
        return True

    def _patience(self, index: int) -> RetryPolicy:
        """For how long a piece asks a stage that is full: a speech that was never heard can be sent
        again, one that has begun should go on.
        """

        def full_s() -> float:
            begun = index > 0 or self._sample_count > 0
            return max(self._listener.lead_s, FULL_STAGE_S) if begun else 0.0

        return RetryPolicy(self._deadline, full_s)
