"""The metrics of speech: first audio, underruns, audio ahead of playback, durations, failovers."""

from dataclasses import dataclass

from barkserve.serving.instruments import Counter, Histogram
from barkserve.serving.metrics import Metrics

OPERATION = "text_to_speech"
"""The name of the operation in OpenTelemetry's conventions for generative AI."""
CONTINUITY_MS = 100
"""The buffer of a player whose streams count as continuous, in ms."""


@dataclass(frozen=True)
class SpeechMetrics:
    """The instruments that sessions share.

    Attributes:
        service: the metrics of the orchestrator.
        model: the name of the checkpoint.
    """

    service: Metrics
    model: str
    first_audio: Histogram
    underrun: Histogram
    continuous: Counter
    ahead: Histogram
    rtf: Histogram
    duration: Histogram
    failovers: Counter

    @classmethod
    def create(cls, metrics: Metrics, model: str) -> "SpeechMetrics":
        """Add the instruments to the metrics of the orchestrator.

        Args:
            metrics: those of the orchestrator.
            model: the name of the checkpoint.
        """
        return cls(
            metrics,
            model,
            first_audio=metrics.histogram("barkserve_audio_ttfp_seconds"),
            underrun=metrics.histogram("barkserve_audio_underrun_seconds"),
            continuous=metrics.counter("barkserve_audio_continuity_ok"),
            ahead=metrics.histogram("barkserve_audio_ahead_seconds"),
            rtf=metrics.histogram("barkserve_audio_rtf"),
            duration=metrics.histogram("gen_ai_server_request_duration_seconds"),
            failovers=metrics.counter("barkserve_failovers"),
        )

    def finished(self, underrun_s: float, rtf: float) -> None:
        """Record a stream that was spoken to its end, with audio."""
        self.underrun.observe(underrun_s)
        self.rtf.observe(rtf)
        if underrun_s * 1000 <= CONTINUITY_MS:
            self.continuous.add(str(CONTINUITY_MS))

    def ended(self, seconds: float, outcome: str) -> None:
        """Record the duration of any stream.

        Args:
            seconds: from its first text to its end.
            outcome: the name of a gRPC status code.
        """
        self.duration.observe(seconds, OPERATION, self.model, "" if outcome == "OK" else outcome)
