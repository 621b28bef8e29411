"""A receiver of traces: OpenTelemetry's own gRPC service, which keeps the spans."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field

import grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc


@dataclass
class ReceivedSpan:
    """One span.

    Attributes:
        service: the service.name of its process.
        name: its name.
        trace_id: in hexadecimal.
        span_id: in hexadecimal.
        parent_id: in hexadecimal; empty without a parent.
        start_ns: its start, in ns since 1970.
        end_ns: its end.
        attributes: its attributes.
        events: the names of its events.
        failed: whether its status is an error.
        parent: the span above it, if it was received.
    """

    service: str
    name: str
    trace_id: str
    span_id: str
    parent_id: str
    start_ns: int
    end_ns: int
    attributes: dict[str, object]
    events: list[str]
    failed: bool
    parent: "ReceivedSpan | None" = None


@dataclass
class OtlpReceiver(trace_service_pb2_grpc.TraceServiceServicer):
    """Keeps the spans that it receives."""

    endpoint: str = ""
    received: list[ReceivedSpan] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def Export(
        self, request: trace_service_pb2.ExportTraceServiceRequest, context: object
    ) -> trace_service_pb2.ExportTraceServiceResponse:
        """Receive spans."""
        for resource in request.resource_spans:
            service = _attributes(resource.resource.attributes)["service.name"]
            spans = [span for scope in resource.scope_spans for span in scope.spans]
            with self.lock:
                self.received += [_span(str(service), span) for span in spans]
        return trace_service_pb2.ExportTraceServiceResponse()

    def spans(self, trace_id: str = "") -> list[ReceivedSpan]:
        """The spans so far, with their parents, in the order of their starts."""
        with self.lock:
            spans = [each for each in self.received if trace_id in ("", each.trace_id)]
        by_id = {span.span_id: span for span in spans}
        for span in spans:
            span.parent = by_id.get(span.parent_id)
        return sorted(spans, key=lambda span: span.start_ns)


@contextmanager
def receiving_traces() -> Iterator[OtlpReceiver]:
    """Receive traces on a free port."""
    server = grpc.server(ThreadPoolExecutor(2))
    port = server.add_insecure_port("127.0.0.1:0")
    receiver = OtlpReceiver(f"http://127.0.0.1:{port}")
    trace_service_pb2_grpc.add_TraceServiceServicer_to_server(receiver, server)
    server.start()
    try:
        yield receiver
    finally:
        server.stop(None)


def _span(service: str, span: object) -> ReceivedSpan:
    return ReceivedSpan(
        service,
        span.name,
        span.trace_id.hex(),
        span.span_id.hex(),
        span.parent_span_id.hex(),
        span.start_time_unix_nano,
        span.end_time_unix_nano,
        _attributes(span.attributes),
        [event.name for event in span.events],
        span.status.code == span.status.STATUS_CODE_ERROR,
    )


def _attributes(pairs: object) -> dict[str, object]:
    return {
        pair.key: getattr(pair.value, pair.value.WhichOneof("value") or "string_value")
        for pair in pairs
    }
