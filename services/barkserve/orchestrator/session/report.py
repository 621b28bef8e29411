"""Counts what a session has produced, for its final message."""

import asyncio
from collections import deque
from collections.abc import Iterator, Sequence

from barkserve.checkpoint.bark_config import BarkConfig
from barkserve.constants import STAGES
from barkserve.orchestrator.session.continuing_voice import ContinuingVoice
from barkserve.orchestrator.session.segment_warnings import warn_about
from barkserve.orchestrator.synthesis.events import SegmentEnded
from barkserve.orchestrator.synthesis.utterance import OutputTimes
from barkserve.orchestrator.text.segment import Segment
from barkserve.orchestrator.text.warnings import Warnings
from barkserve.serving import convert
from barkserve.v1 import common_pb2, speech_pb2

MAX_SEGMENT_REPORTS = 1000


class SessionReport:
    """The numbers and tokens of one session. Made when its request arrives, inside an event loop.

    Args:
        config: the checkpoint's.
        warnings: those of the session, for its final message.
        languages: BCP 47 codes of what the checkpoint speaks; empty if unknown.
        return_voice: whether the final message holds the continuing voice.
        sample_count: samples that the client has received in earlier calls.

    Attributes:
        sample_count: samples of the audio messages so far.
        voice: the voice that continues the session.
    """

    def __init__(
        self,
        config: BarkConfig,
        warnings: Warnings,
        languages: Sequence[str],
        *,
        return_voice: bool,
        sample_count: int = 0,
    ) -> None:
        self.sample_count = sample_count
        self.voice = ContinuingVoice(config)
        self._longest = config.semantic_generation.max_new_tokens
        self._warnings = warnings
        self._languages = languages
        self._voice_name = ""  # of the last segment, as in its style
        self._return_voice = return_voice
        self._segments: deque[speech_pb2.SegmentReport] = deque(maxlen=MAX_SEGMENT_REPORTS)
        self._stages = {stage: common_pb2.StageReport(stage=stage) for stage in STAGES}
        self._finish_reason: common_pb2.FinishReason = common_pb2.FINISH_REASON_STOP
        self._now_s = asyncio.get_running_loop().time
        self._began_s = self._now_s()
        self._decoded: OutputTimes | None = None

    def outputs(self) -> Iterator[tuple[str, int]]:
        """The number of outputs of each stage: tokens, codes, frames and samples."""
        return ((stage, report.output_count) for stage, report in self._stages.items())

    def add_segment(self, event: SegmentEnded, first_sample: int, sample_count: int) -> None:
        """Count a segment; samples are those of the output."""
        utterance, spoken = event.utterance, event.spoken
        report = speech_pb2.SegmentReport(
            text_span=text_span(utterance.segment),
            finish_reason=event.finish_reason,
            first_sample=first_sample,
            sample_count=sample_count,
            seed=utterance.seed,
            redraws=utterance.redraw,
        )
        self._segments.append(report)
        warn_about(event, self._languages, self._longest, self._warnings)
        if utterance.segment.style.voice != self._voice_name:
            self._voice_name = utterance.segment.style.voice
            self.voice.clear()
        if event.finish_reason != common_pb2.FINISH_REASON_STOP:
            self._finish_reason = event.finish_reason
        for stage, stage_report in spoken.reports.items():
            total = self._stages[stage]
            total.output_count += stage_report.output_count
            total.queue_ms += stage_report.queue_ms
            total.compute_ms += stage_report.compute_ms
        for stage, times in spoken.output_times.items():
            self._set_output_times(self._stages[stage], times)
        self.voice.add(spoken)

    def decoded(self) -> None:
        """Note that samples of the codec arrived."""
        now_s = self._now_s()
        if self._decoded is None:
            self._decoded = OutputTimes(now_s, now_s)
        self._decoded.last_s = now_s

    def set_codec(self, report: common_pb2.StageReport) -> None:
        """Set the codec's report: it has one call for all segments."""
        self._stages["codec"] = report
        if self._decoded is not None:
            self._set_output_times(report, self._decoded)

    def finished(self, *, cancelled: bool = False) -> speech_pb2.SynthesisFinished:
        """The final message."""
        return speech_pb2.SynthesisFinished(
            finish_reason=(
                common_pb2.FINISH_REASON_CANCELLED if cancelled else self._finish_reason
            ),
            sample_count=self.sample_count,
            stages=self._stages.values(),
            voice=self.voice.history_prompt() if self._return_voice else None,
            segments=self._segments,
            warnings=self._warnings.messages(),
        )

    def _set_output_times(self, report: common_pb2.StageReport, times: OutputTimes) -> None:
        """Extend the time in which a stage made its outputs."""
        first_ms = convert.milliseconds(times.first_s - self._began_s)
        last_ms = convert.milliseconds(times.last_s - self._began_s)
        report.first_output_ms = min(report.first_output_ms or first_ms, first_ms)
        report.last_output_ms = max(report.last_output_ms, last_ms)


def text_span(segment: Segment) -> speech_pb2.TextSpan:
    """A segment's place in the whole text."""
    return speech_pb2.TextSpan(start=segment.start, end=segment.end)
