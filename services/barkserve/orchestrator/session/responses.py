"""Turns the events of a synthesis into messages to the client. Knows no calls."""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from barkserve.checkpoint.bark_config import BarkConfig
from barkserve.orchestrator.audio.output_format import OutputFormat
from barkserve.orchestrator.audio.time_stretcher import TimeStretcher
from barkserve.orchestrator.audio.writer import AudioWriter, EncodedAudio
from barkserve.orchestrator.session.received import Received
from barkserve.orchestrator.session.report import SessionReport, text_span
from barkserve.orchestrator.session.word_times import MarkSample, WordInterval, WordTimes
from barkserve.orchestrator.synthesis.events import (
    Flushed,
    MarkReached,
    SegmentEnded,
    SegmentSamples,
    Silence,
    SynthesisEnded,
    SynthesisEvent,
)
from barkserve.orchestrator.synthesis.utterance import Utterance
from barkserve.orchestrator.text.markup.items import Pause
from barkserve.v1 import speech_pb2

Message = (
    speech_pb2.SynthesisStarted
    | speech_pb2.AudioChunk
    | speech_pb2.WordTimes
    | speech_pb2.FlushDone
    | speech_pb2.SynthesisFinished
)


class ResponseBuilder:
    """Builds the messages of one session between `started` and `finished`.

    Args:
        output: the audio format and the size of chunks.
        config: the checkpoint's.
        report: counts what the messages hold.
        received: what the client has already.
        stretcher: changes the speed of the speech.
        marks: whether marks are reported.
    """

    def __init__(
        self,
        output: OutputFormat,
        config: BarkConfig,
        report: SessionReport,
        received: Received,
        stretcher: TimeStretcher,
        *,
        marks: bool,
    ) -> None:
        self._report = report
        self._received = received
        self._stretcher = stretcher
        self._marks = marks
        self._gain = np.float32(1.0)  # of the current segment
        self._started: list[Utterance] = []  # not reported in a chunk yet
        self._last_started: Utterance | None = None
        self._writer = AudioWriter(output, config.sample_rate)
        # Text of the segments whose audio is not sent yet, with their first output sample.
        self._spans: deque[tuple[int, speech_pb2.TextSpan]] = deque()
        self._sample_count = 0  # stretched, at the checkpoint's rate
        self._segment_start = 0  # the current segment's first sample of those
        token_rate = config.semantic_generation.semantic_rate_hz
        self._word_times = WordTimes(config.sample_rate / token_rate)

    def messages(self, event: SynthesisEvent) -> Iterator[Message]:
        """Build the messages that an event causes; there may be none."""
        match event:
            case SegmentSamples(utterance, spoken, samples):
                self._report.decoded()
                self._start(utterance)
                yield from self._words(
                    self._word_times.update(utterance, spoken, self._segment_start)
                )
                yield from self._audio(utterance, self._stretcher.push(samples))
            case SegmentEnded(utterance, spoken):
                self._start(utterance)
                rest = self._stretcher.flush()
                segment_end = self._sample_count + len(rest)
                yield from self._words(
                    self._word_times.finish(utterance, spoken, self._segment_start, segment_end)
                )
                yield from self._audio(utterance, rest)
                first = self._writer.output_sample(self._segment_start)
                end = self._writer.output_sample(segment_end)
                self._report.add_segment(event, first, end - first)
                self._segment_start = segment_end
            case Silence(pause, count):
                yield from self._silence(pause, count)
            case MarkReached(mark):
                yield from self._words([MarkSample(mark, self._sample_count)])
            case Flushed(flush_id):
                yield from self.due()
                yield speech_pb2.FlushDone(flush_id=flush_id)
            case SynthesisEnded(codec):
                self._report.set_codec(codec)

    def due_in(self) -> float | None:
        """Seconds until `due` must be called, as of now; None if no audio is held."""
        return self._writer.due_in()

    def due(self) -> Iterator[Message]:
        """Build chunks of the audio that is held until a chunk is full."""
        yield from self._chunks(self._writer.release())

    def end(self) -> Iterator[Message]:
        """Build chunks of the last audio."""
        yield from self._chunks(self._writer.flush())
        self._received.check_end()

    def _start(self, utterance: Utterance) -> None:
        """Report a segment in the next chunk."""
        if utterance is not self._last_started:
            self._last_started = utterance
            self._stretcher.speaking_rate = utterance.speaking_rate
            self._gain = np.float32(10 ** (utterance.segment.style.gain_db / 20))
            if self._received.is_new_segment():
                self._started.append(utterance)

    def _audio(
        self, utterance: Utterance, samples: NDArray[np.float32]
    ) -> Iterator[speech_pb2.AudioChunk]:
        """Chunks that are ready after the next (n,) samples of a segment, n >= 0."""
        if not len(samples):
            return
        if self._sample_count == self._segment_start:
            start = self._writer.output_sample(self._sample_count)
            self._spans.append((start, text_span(utterance.segment)))
        if self._gain != 1:
            samples = samples * self._gain
        self._sample_count += len(samples)
        yield from self._chunks(self._writer.push(samples))

    def _silence(self, pause: Pause, sample_count: int) -> Iterator[speech_pb2.AudioChunk]:
        """Chunks that are ready after silence between two segments."""
        if not self._spans:
            self._spans.append((0, speech_pb2.TextSpan(start=pause.start, end=pause.end)))
        self._sample_count += sample_count
        self._segment_start = self._sample_count
        silence = np.zeros(sample_count, dtype=np.float32)
        yield from self._chunks(self._writer.push(silence))

    def _chunks(self, encoded: Iterable[EncodedAudio]) -> Iterator[speech_pb2.AudioChunk]:
        """Audio, with the text of the segment that its first sample speaks."""
        for part in encoded:
            each = self._received.new_audio(part)
            if each is None:
                continue
            while len(self._spans) > 1 and self._spans[1][0] <= each.first_sample:
                self._spans.popleft()
            self._report.sample_count += each.sample_count
            yield speech_pb2.AudioChunk(
                audio=each.audio,
                first_sample=each.first_sample,
                sample_count=each.sample_count,
                text_span=self._spans[0][1],
                segments=map(_spoken_segment, self._started),
            )
            self._started.clear()

    def _words(self, found: Sequence[WordInterval | MarkSample]) -> Iterator[speech_pb2.WordTimes]:
        """One message with all words and marks; none without them."""
        words = self._received.new_words([e for e in found if isinstance(e, WordInterval)])
        marks = self._received.new_marks([e for e in found if isinstance(e, MarkSample)])
        marks = marks if self._marks else []
        if words or marks:
            yield speech_pb2.WordTimes(
                words=map(self._word_time, words), marks=map(self._mark_time, marks)
            )

    def _word_time(self, interval: WordInterval) -> speech_pb2.WordTime:
        return speech_pb2.WordTime(
            word=interval.text,
            text_span=speech_pb2.TextSpan(start=interval.start, end=interval.end),
            first_sample=self._writer.output_sample(interval.first_sample),
            end_sample=self._writer.output_sample(interval.end_sample),
        )

    def _mark_time(self, reached: MarkSample) -> speech_pb2.MarkTime:
        return speech_pb2.MarkTime(
            name=reached.mark.name,
            position=reached.mark.start,
            sample=self._writer.output_sample(reached.sample),
        )


def _spoken_segment(utterance: Utterance) -> speech_pb2.SpokenSegment:
    segment = utterance.segment
    return speech_pb2.SpokenSegment(
        text_span=text_span(segment),
        redraws=utterance.redraw,
        character_count=len(segment.text) if segment.origins else 0,
    )
