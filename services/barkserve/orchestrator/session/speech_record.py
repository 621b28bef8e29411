"""The record of one session: its metrics, and its line in the log."""

import asyncio
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from barkserve.constants import StageName
from barkserve.errors import BarkserveError
from barkserve.orchestrator.audio.playout_clock import PlayoutClock
from barkserve.orchestrator.session.report import SessionReport
from barkserve.orchestrator.session.speech_metrics import OPERATION, SpeechMetrics
from barkserve.orchestrator.synthesis.plan import Plan
from barkserve.tracing import (
    NO_SPAN,
    AttributeValue,
    Span,
    address_attributes,
    current_span,
    fail,
    start_span,
)

_log = logging.getLogger(__name__)

_NUMBERS = ("ttfa_s", "audio_s", "rtf", "underrun_s", "failovers")
"""Fields of the log that become attributes of the span."""
_MAX_REPLICAS = 8
"""Replicas of a stage that are remembered. A long stream may use many."""


class SpeechRecord:
    """What one session did. Made when its request arrives, inside an event loop.

    Args:
        metrics: the instruments.
        clock: the playback of the session.
        report: its numbers.
        deadline: the client's deadline in the event loop's time, None for none.
        with_text: whether the line in the log shows the text.

    Attributes:
        span: the span of the session in a trace.
    """

    def __init__(
        self,
        metrics: SpeechMetrics,
        clock: PlayoutClock,
        report: SessionReport,
        deadline: float | None,
        *,
        with_text: bool,
    ) -> None:
        self._metrics = metrics
        self._clock = clock
        self._report = report
        self._deadline = deadline
        self._text: list[str] | None = [] if with_text else None
        self._now = asyncio.get_running_loop().time
        self._began_at = self._now()
        self._first_audio_s: float | None = None
        self._last_audio_s = 0.0
        self._audio_s = 0.0
        self._plan: Plan | None = None
        self._replicas: dict[StageName, dict[str, None]] = {}
        self._failovers = 0
        self._failing_over: dict[StageName, Span] = {}
        self.span = NO_SPAN

    def planned(self, plan: Plan) -> None:
        """Note how the session speaks."""
        self._plan = plan

    def sending_audio(self, seconds: float) -> None:
        """Note that audio is sent; call it before the clock's `sent`.

        Args:
            seconds: 0 for the end of an encoding, which has no samples.
        """
        if not seconds:
            return
        self._last_audio_s = self._now() - self._began_at
        if self._first_audio_s is None:
            self._first_audio_s = self._last_audio_s
            self._metrics.first_audio.observe(self._first_audio_s)
            self.span.add_event("first audio")
        else:
            self._metrics.ahead.observe(self._clock.lead_s)
        self._audio_s += seconds

    def spoke(self, text: str) -> None:
        """Note a segment that was spoken."""
        if self._text is not None:
            self._text.append(text)

    def replica_used(self, stage: StageName, address: str) -> None:
        """Note a replica that serves the session."""
        replicas = self._replicas.setdefault(stage, {})
        if len(replicas) < _MAX_REPLICAS:
            replicas[address] = None
        if (failover := self._failing_over.pop(stage, None)) is not None:
            failover.set_attributes(address_attributes(address))
            failover.end()

    def failed_over(self, stage: StageName, reason: str) -> None:
        """Note that the session leaves a replica: "lost", "failed" or "hung"."""
        self._failovers += 1
        self._metrics.failovers.add(stage, reason)
        if self.span.is_recording() and stage not in self._failing_over:
            attributes = {"barkserve.stage": stage, "barkserve.reason": reason}
            self._failing_over[stage] = start_span(self.span, "failover", attributes=attributes)

    @contextmanager
    def recording(self) -> Iterator[None]:
        """Record the end of the session, however the block ends."""
        outcome, parent = "OK", current_span()
        name = f"{OPERATION} {self._metrics.model}"
        self.span = start_span(parent, name) if parent.is_recording() else parent
        try:
            yield
        except (asyncio.CancelledError, GeneratorExit):
            late = self._deadline is not None and self._now() >= self._deadline
            outcome = "DEADLINE_EXCEEDED" if late else "CANCELLED"
            raise
        except Exception as error:
            outcome = error.status if isinstance(error, BarkserveError) else "INTERNAL"
            raise
        finally:
            self._ended(outcome)

    @contextmanager
    def admitting(self) -> Iterator[None]:
        """Note that the first text is there, and that the block waits for room."""
        self._began_at = self._now()
        if not self.span.is_recording():
            yield
            return
        span = start_span(self.span, "admission")
        try:
            yield
        finally:
            span.end()

    def _ended(self, outcome: str) -> None:
        seconds = self._now() - self._began_at
        self._metrics.ended(seconds, outcome)
        if outcome == "OK" and self._audio_s:
            self._metrics.finished(self._clock.silence_s, self._last_audio_s / self._audio_s)
        fields = self._fields(seconds)
        _log.info("speech ended with %s", outcome, extra={"fields": fields})
        if self.span.is_recording():
            self._end_spans(outcome, fields)

    def _end_spans(self, outcome: str, fields: dict[str, Any]) -> None:
        """Add what the conventions for generative AI want, and the numbers of the log."""
        numbers = {f"barkserve.{name}": fields[name] for name in _NUMBERS if name in fields}
        attributes: dict[str, AttributeValue] = {
            "gen_ai.operation.name": OPERATION,
            "gen_ai.provider.name": "barkserve",
            "gen_ai.output.type": "speech",
            "gen_ai.request.model": self._metrics.model,
            "gen_ai.usage.audio.output_tokens": dict(self._report.outputs())["semantic"],
            "barkserve.outcome": outcome,
            **numbers,
        }
        if self._plan is not None:
            attributes["gen_ai.speech.voice"] = self._plan.voice_name
            attributes["gen_ai.request.seed"] = self._plan.seed
            attributes["barkserve.request_id"] = self._plan.request_id
        self.span.set_attributes(attributes)
        if outcome not in ("OK", "CANCELLED"):
            fail(self.span, outcome)
        for span in (*self._failing_over.values(), self.span):
            span.end()

    def _fields(self, seconds: float) -> dict[str, Any]:
        """The numbers of the line in the log."""
        fields: dict[str, Any] = {"duration_s": round(seconds, 3)}
        if self._plan is not None:
            fields |= {"voice": self._plan.voice_name, "seed": self._plan.seed}
        if self._first_audio_s is not None:
            fields |= {
                "ttfa_s": round(self._first_audio_s, 3),
                "audio_s": round(self._audio_s, 3),
                "rtf": round(self._last_audio_s / self._audio_s, 3),
                "underrun_s": round(self._clock.silence_s, 3),
            }
        fields["tokens"] = {name: count for name, count in self._report.outputs() if count}
        fields["replicas"] = {stage: list(each) for stage, each in self._replicas.items()}
        fields["failovers"] = self._failovers
        if self._text is not None:
            fields["text"] = "".join(self._text)
        return fields
