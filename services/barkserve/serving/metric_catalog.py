"""All metrics that the services export. docs/metrics.md shows this table."""

from dataclasses import dataclass
from typing import Literal

from barkserve.constants import STAGES

Kind = Literal["counter", "gauge", "histogram"]

_SECONDS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1, 1.5, 2, 3, 5, 10, 30)
_MODEL_SECONDS = (
    0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5,
)  # fmt: skip
_LAG_SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10)
_UNDERRUN_SECONDS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10)
_AHEAD_SECONDS = (0.0, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 60)
_DURATION_SECONDS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600)
_HTTP_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_FACTORS = (0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 0.9, 1, 1.1, 1.5, 2, 5)
_SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256)

_ALL = ("orchestrator", *STAGES, "gateway", "autoscaler")
_SLOTTED = ("semantic", "coarse")
_ORCHESTRATOR = ("orchestrator",)
_OFFLOAD = "--offload-idle-seconds"
_GPU = "an NVIDIA GPU and nvidia-ml-py"


@dataclass(frozen=True)
class MetricSpec:
    """One metric.

    Attributes:
        kind: its type.
        name: its name, without the suffixes that Prometheus adds (_total, _bucket, ...).
        description: the help text.
        services: those that export it.
        labels: its labels besides `stage`, the name of the service.
        buckets: the upper bounds of a histogram.
        condition: what it needs to be exported; empty if it always is.
    """

    kind: Kind
    name: str
    description: str
    services: tuple[str, ...]
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()
    condition: str = ""

    @property
    def exported_name(self) -> str:
        """The name in Prometheus."""
        return f"{self.name}_total" if self.kind == "counter" else self.name


_EVERY_SERVICE = (
    MetricSpec(
        "gauge", "barkserve_build_info", "1, with the versions of the service and of Python",
        _ALL, ("version", "python"),
    ),
    MetricSpec(
        "histogram", "barkserve_event_loop_lag_seconds",
        "Delays of the event loop, sampled 50 times/s", _ALL, buckets=_LAG_SECONDS,
    ),
    MetricSpec(
        "gauge", "barkserve_event_loop_longest_lag_seconds",
        "Longest delay of the event loop since the start", _ALL,
    ),
    MetricSpec(
        "gauge", "barkserve_event_loop_longest_cpu_seconds",
        "Most CPU time that the event loop used in a row since the start; a longest lag above it "
        "means that other threads or processes kept the CPU", _ALL,
    ),
    MetricSpec(
        "counter", "barkserve_watchdog_trips",
        "Processes of this service that ended because their event loop or model made no progress, "
        "since `barkserve up` started", _ALL,
    ),
    MetricSpec(
        "gauge", "barkserve_tls_certificate_expiry_timestamp_seconds",
        "When the TLS certificate in use expires, in seconds since 1970", _ALL,
        condition="--tls-cert",
    ),
)  # fmt: skip

_RPCS = (
    MetricSpec(
        "counter", "barkserve_requests", "RPCs ended, by outcome (a gRPC status code's name)",
        _ALL, ("outcome",),
    ),
    MetricSpec("gauge", "barkserve_streams", "RPCs in progress", _ALL),
    MetricSpec(
        "histogram", "barkserve_first_output_seconds", "From an RPC's start to its first response",
        _ALL, buckets=_SECONDS,
    ),
    MetricSpec(
        "counter", "barkserve_outputs",
        "Semantic tokens, coarse codes, fine frames, codec or orchestrator samples made", _ALL,
    ),
    MetricSpec(
        "counter", "barkserve_admission_refusals",
        "RPCs and contexts refused for lack of room, by reason", _ALL, ("reason",),
    ),
)  # fmt: skip

_SPEECH = (
    MetricSpec(
        "histogram", "barkserve_audio_ttfp_seconds",
        "Time to first audio: from a stream's first text to its first audio message",
        _ORCHESTRATOR, buckets=_SECONDS,
    ),
    MetricSpec(
        "histogram", "barkserve_audio_underrun_seconds",
        "Silence of a finished stream's player: the buffer that it would have needed",
        _ORCHESTRATOR, buckets=_UNDERRUN_SECONDS,
    ),
    MetricSpec(
        "counter", "barkserve_audio_continuity_ok",
        "Finished streams with an underrun of at most threshold_ms", _ORCHESTRATOR,
        ("threshold_ms",),
    ),
    MetricSpec(
        "histogram", "barkserve_audio_ahead_seconds",
        "Audio that the player still has when an audio message is sent, except the first",
        _ORCHESTRATOR, buckets=_AHEAD_SECONDS,
    ),
    MetricSpec(
        "histogram", "barkserve_audio_rtf",
        "Real-time factor of a finished stream: seconds from its first text to its last audio, "
        "per second of audio", _ORCHESTRATOR, buckets=_FACTORS,
    ),
    MetricSpec(
        "histogram", "gen_ai_server_request_duration_seconds",
        "From a stream's first text to its end (OpenTelemetry GenAI); error_type is the gRPC "
        "status code's name, empty for success", _ORCHESTRATOR,
        ("gen_ai_operation_name", "gen_ai_request_model", "error_type"), _DURATION_SECONDS,
    ),
    MetricSpec(
        "counter", "barkserve_failovers",
        "Streams that moved to another replica of the callee, by reason", _ORCHESTRATOR,
        ("callee", "reason"),
    ),
    MetricSpec("gauge", "barkserve_streams_waiting", "Streams that wait for room", _ORCHESTRATOR),
    MetricSpec(
        "counter", "barkserve_streams_resumed", "Streams that continued a cut one", _ORCHESTRATOR,
    ),
    MetricSpec(
        "gauge", "barkserve_capacity_streams", "Streams that the stages serve in real time",
        _ORCHESTRATOR,
    ),
)  # fmt: skip

_MODELS = (
    MetricSpec(
        "histogram", "barkserve_batch_seconds",
        "Duration of a batch of the model: prefill or burst (semantic, coarse), fill (fine) or "
        "decode (codec)", STAGES, ("kind",), _MODEL_SECONDS,
    ),
    MetricSpec(
        "histogram", "barkserve_batch_size", "Requests, windows or chunks in a batch",
        STAGES, ("kind",), _SIZES,
    ),
    MetricSpec(
        "histogram", "barkserve_step_seconds",
        "Duration of a decode step: that of a burst, divided by its steps",
        _SLOTTED, buckets=_MODEL_SECONDS,
    ),
    MetricSpec("gauge", "barkserve_slots", "Slots of the key/value cache", _SLOTTED),
    MetricSpec(
        "gauge", "barkserve_slots_free", "Slots that a new request could get now", _SLOTTED
    ),
    MetricSpec("gauge", "barkserve_slots_running", "Slots of running requests", _SLOTTED),
    MetricSpec(
        "gauge", "barkserve_queue_depth", "Requests that wait for a slot, or jobs for the model",
        STAGES,
    ),
    MetricSpec(
        "gauge", "barkserve_weights_resident",
        "1 while the weights are on the device, 0 while they are offloaded or being moved",
        STAGES, condition=_OFFLOAD,
    ),
    MetricSpec(
        "gauge", "barkserve_offload_freed_bytes", "Device memory that the last offload freed",
        STAGES, condition=_OFFLOAD,
    ),
    MetricSpec(
        "gauge", "barkserve_offload_reload_seconds", "Duration of the last reload", STAGES,
        condition=_OFFLOAD,
    ),
    MetricSpec(
        "gauge", "barkserve_gpu_memory_used_bytes", "Memory of the GPU in use, by all processes",
        STAGES, ("gpu",), condition=_GPU,
    ),
    MetricSpec(
        "gauge", "barkserve_gpu_memory_total_bytes", "Memory of the GPU", STAGES, ("gpu",),
        condition=_GPU,
    ),
    MetricSpec(
        "gauge", "barkserve_gpu_utilization_ratio",
        "Share of the last sample period in which the GPU ran a kernel, 0 to 1", STAGES, ("gpu",),
        condition=_GPU,
    ),
)  # fmt: skip

_OTHERS = (
    MetricSpec(
        "histogram", "http_server_request_duration_seconds",
        "Duration of an HTTP request or WebSocket (OpenTelemetry HTTP)", ("gateway",),
        ("http_request_method", "http_route", "http_response_status_code"), _HTTP_SECONDS,
    ),
    MetricSpec("gauge", "barkserve_http_requests_running", "HTTP requests and WebSockets",
               ("gateway",)),
    MetricSpec(
        "gauge", "barkserve_demand_replicas", "Work of a service, in replicas", ("autoscaler",),
        ("service",),
    ),
    MetricSpec(
        "gauge", "barkserve_wanted_replicas", "Replicas that a service should have",
        ("autoscaler",), ("service",),
    ),
)  # fmt: skip

CATALOG = {spec.name: spec for spec in (*_EVERY_SERVICE, *_RPCS, *_SPEECH, *_MODELS, *_OTHERS)}
"""Every metric by its name."""
