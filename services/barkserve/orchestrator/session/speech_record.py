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
from barkserve.orchestrator.session.speech_metrics import SpeechMetrics
from barkserve.orchestrator.synthesis.plan import Plan

_log = logging.getLogger(__name__)

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

    def began(self) -> None:
        """Note that the first text is there: times count from now on."""
        self._began_at = self._now()

    def planned(self, plan: Plan) -> None:
        """Note how the session speaks."""
        self._plan = plan

    def sending_audio(self, seconds: float) -> None:
        """Note that audio is sent; call it before the clock's `sent`."""
        self._last_audio_s = self._now() - self._began_at
        if self._first_audio_s is None:
            self._first_audio_s = self._last_audio_s
            self._metrics.first_audio.observe(self._first_audio_s)
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

    def failed_over(self, stage: StageName, reason: str) -> None:
        """Note that the session leaves a replica: "lost", "failed" or "hung"."""
        self._failovers += 1
        self._metrics.failovers.add(stage, reason)

    @contextmanager
    def recording(self) -> Iterator[None]:
        """Record the end of the session, however the block ends."""
        outcome = "OK"
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

    def _ended(self, outcome: str) -> None:
        seconds = self._now() - self._began_at
        self._metrics.ended(seconds, outcome)
        if outcome == "OK" and self._audio_s:
            self._metrics.finished(self._clock.silence_s, self._last_audio_s / self._audio_s)
        _log.info("speech ended with %s", outcome, extra={"fields": self._fields(seconds)})

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
