"""Turns what is spoken into the messages of one text or context, and keeps count of it. Knows
nothing of calls.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence

from barkserve.checkpoint.bark_config import BarkConfig
from barkserve.constants import STAGES
from barkserve.orchestrator.audio.writer import AudioWriter, EncodedAudio
from barkserve.orchestrator.session.continuing_voice import ContinuingVoice
from barkserve.orchestrator.session.word_times import HeardWord, WordTimes
from barkserve.orchestrator.synthesis.events import (
    Flushed,
    SegmentEnded,
    SegmentSamples,
    SynthesisEnded,
    SynthesisEvent,
)
from barkserve.orchestrator.synthesis.plan import Plan
from barkserve.orchestrator.text.segmenter import Segment
from barkserve.v1 import common_pb2, speech_pb2

MAX_SEGMENT_REPORTS = 1000

Message = (
    speech_pb2.SynthesisStarted
    | speech_pb2.AudioChunk
    | speech_pb2.WordTimes
    | speech_pb2.FlushDone
    | speech_pb2.SynthesisFinished
)


class ResponseBuilder:
    """The messages of one text or context."""

    def __init__(self, plan: Plan, config: BarkConfig) -> None:
        self._plan = plan
        self._writer = AudioWriter(plan.output, config.sample_rate)
        self._pieces: deque[speech_pb2.SegmentReport] = deque(maxlen=MAX_SEGMENT_REPORTS)
        self._starts: deque[tuple[int, speech_pb2.TextSpan]] = deque()  # of pieces not sent yet
        self._made = 0  # samples of the codec's
        self._piece_made = 0  # of those, before the piece at hand
        rate = config.semantic_generation.semantic_rate_hz
        self._word_times = WordTimes(config.sample_rate / rate)
        self._reports = {stage: common_pb2.StageReport(stage=stage) for stage in STAGES}
        self._voice = ContinuingVoice(config)
        self._reason: common_pb2.FinishReason = common_pb2.FINISH_REASON_STOP
        self.sample_count = 0  # of the messages made so far

    def messages(self, event: SynthesisEvent) -> Iterator[Message]:
        """The messages that an event is worth, maybe none."""
        match event:
            case SegmentSamples(utterance, spoken, samples):
                if self._made == self._piece_made:
                    start = self._writer.output_sample(self._made)
                    self._starts.append((start, _span(utterance.segment)))
                yield from self._words(
                    self._word_times.certain(utterance, spoken, self._piece_made)
                )
                self._made += len(samples)
                yield from self._chunks(self._writer.push(samples))
            case SegmentEnded(utterance, spoken):
                yield from self._words(
                    self._word_times.ended(utterance, spoken, self._piece_made, self._made)
                )
                self._note(event)
            case Flushed(flush_id):
                yield from self.due()
                yield speech_pb2.FlushDone(flush_id=flush_id)
            case SynthesisEnded(codec):
                self._reports["codec"] = codec

    def due_in(self) -> float | None:
        """Seconds until `due` must be called, as of now; None if nothing waits."""
        return self._writer.due_in()

    def due(self) -> Iterator[Message]:
        """The audio that waits for a chunk to be full."""
        yield from self._chunks(self._writer.release())

    def end(self) -> Iterator[Message]:
        """The last of the audio. Nothing comes after it but `finished`."""
        yield from self._chunks(self._writer.flush())

    def finished(self, *, cancelled: bool = False) -> speech_pb2.SynthesisFinished:
        """The last message."""
        voice = self.continuing_voice() if self._plan.request.return_voice else None
        return speech_pb2.SynthesisFinished(
            finish_reason=common_pb2.FINISH_REASON_CANCELLED if cancelled else self._reason,
            sample_count=self.sample_count,
            stages=self._reports.values(),
            voice=voice,
            segments=self._pieces,
        )

    def continuing_voice(self) -> common_pb2.HistoryPrompt:
        """The voice that goes on where the last piece ended."""
        return self._voice.history_prompt()

    def _chunks(self, encoded: Iterable[EncodedAudio]) -> Iterator[speech_pb2.AudioChunk]:
        """Audio with the piece of text that its first sample speaks."""
        for each in encoded:
            while len(self._starts) > 1 and self._starts[1][0] <= each.first_sample:
                self._starts.popleft()
            self.sample_count += each.sample_count
            yield speech_pb2.AudioChunk(
                audio=each.audio,
                first_sample=each.first_sample,
                sample_count=each.sample_count,
                text_span=self._starts[0][1],
            )

    def _words(self, words: Sequence[HeardWord]) -> Iterator[speech_pb2.WordTimes]:
        """One message of them all, none of none."""
        if words:
            yield speech_pb2.WordTimes(words=map(self._word_time, words))

    def _word_time(self, heard: HeardWord) -> speech_pb2.WordTime:
        return speech_pb2.WordTime(
            word=heard.word.text,
            text_span=speech_pb2.TextSpan(start=heard.word.start, end=heard.word.end),
            first_sample=self._writer.output_sample(heard.first_sample),
            end_sample=self._writer.output_sample(heard.end_sample),
        )

    def _note(self, event: SegmentEnded) -> None:
        """Count a piece that has been spoken."""
        utterance, spoken = event.utterance, event.spoken
        first = self._writer.output_sample(self._piece_made)
        report = speech_pb2.SegmentReport(
            text_span=_span(utterance.segment),
            finish_reason=spoken.finish_reason,
            first_sample=first,
            sample_count=self._writer.output_sample(self._made) - first,
            seed=utterance.seed,
            redraws=utterance.redraw,
        )
        self._pieces.append(report)
        self._piece_made = self._made
        if spoken.finish_reason != common_pb2.FINISH_REASON_STOP:
            self._reason = spoken.finish_reason
        for stage, done in spoken.reports.items():
            total = self._reports[stage]
            total.output_count += done.output_count
            total.queue_ms += done.queue_ms
            total.compute_ms += done.compute_ms
        self._voice.add(spoken)


def _span(segment: Segment) -> speech_pb2.TextSpan:
    return speech_pb2.TextSpan(start=segment.start, end=segment.end)
