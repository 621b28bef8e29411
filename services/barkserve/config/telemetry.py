"""The options of logs and traces."""

from dataclasses import dataclass

from barkserve.config.texts import LOG_FORMATS
from barkserve.options import option


@dataclass(frozen=True)
class TelemetryOptions:
    """Options of logs and traces. Every service has them, and `barkserve up` passes them on."""

    log_format: str = option(
        "auto",
        "format of the log: lines of text, or a JSON object for each record; auto is text on a "
        "terminal and json elsewhere",
        LOG_FORMATS,
    )
    otlp_endpoint: str = option(
        "",
        "OpenTelemetry collector for traces, over OTLP/gRPC: http://HOST:4317, or https:// with "
        "TLS; empty means the one of OTEL_EXPORTER_OTLP_ENDPOINT, or no traces",
    )
    trace_sample_ratio: float = option(
        1.0, "share of requests that are traced, 0 to 1; callers' own decisions go first"
    )


@dataclass(frozen=True)
class SpeechLogOptions:
    """Options of the orchestrator's log."""

    log_text: bool = option(
        False, "show the spoken text in the log line of each request; texts can be confidential"
    )
