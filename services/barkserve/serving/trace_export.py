"""Sends the spans of this process to an OpenTelemetry collector."""

import os
import socket
import threading
from collections.abc import Callable, Mapping

from opentelemetry import trace

from barkclient import __version__
from barkserve.config.telemetry import TelemetryOptions
from barkserve.errors import StartupError

_ENDPOINT_VARIABLES = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_LAST_SPANS_S = 2.0
"""Time to send the last spans. The collector may not answer."""


def start_tracing(
    service: str, options: TelemetryOptions, variables: Mapping[str, str]
) -> Callable[[], None]:
    """Record spans from now on, and send them, if the options or the environment say where to.

    Args:
        service: the name of the service.
        options: the collector, and the share of requests to trace.
        variables: the environment. The SDK reads further OTEL_ variables itself.

    Returns:
        A function that sends the last spans.

    Raises:
        StartupError: an option is not valid, or the packages are missing.
    """
    if not 0 <= options.trace_sample_ratio <= 1:
        raise StartupError("--trace-sample-ratio must be 0 to 1")
    endpoint = options.otlp_endpoint
    if not endpoint and not any(variables.get(name) for name in _ENDPOINT_VARIABLES):
        return lambda: None
    if endpoint and not endpoint.startswith(("http://", "https://")):
        raise StartupError(
            f"--otlp-endpoint {endpoint}: begin it with http:// (plaintext) or https:// (TLS), "
            "such as http://localhost:4317"
        )
    try:  # imported lazily: optional, and a tenth of a second
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
        from opentelemetry.sdk.trace.sampling import ParentBasedTraceIdRatio
    except ModuleNotFoundError as error:
        raise StartupError(
            f"traces need {error.name}, which is not installed: run pip install "
            "'barkserve[tracing]', or leave out --otlp-endpoint"
        ) from error
    ratio = options.trace_sample_ratio
    provider = TracerProvider(
        sampler=ParentBasedTraceIdRatio(ratio) if ratio < 1 else None,  # None: OTEL_TRACES_SAMPLER
        resource=Resource.create(
            {
                "service.name": f"barkserve-{service}",
                "service.namespace": "barkserve",
                "service.version": __version__,
                "service.instance.id": f"{socket.gethostname()}:{os.getpid()}",
            }
        ),
        shutdown_on_exit=False,
    )
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint or None)))
    trace.set_tracer_provider(provider)

    def stop() -> None:
        sending = threading.Thread(target=provider.shutdown, daemon=True)
        sending.start()
        sending.join(_LAST_SPANS_S)

    return stop
