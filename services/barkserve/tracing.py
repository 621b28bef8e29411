"""Spans of OpenTelemetry traces.

Without a tracer provider nothing is recorded, and the trace of a caller is only passed on. Code
that would do work for a span asks first whether its parent records.
"""

import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Span as Span
from opentelemetry.trace import SpanKind as SpanKind
from opentelemetry.trace import Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from opentelemetry.util.types import AttributeValue as AttributeValue

Attributes = Mapping[str, AttributeValue]

TRACEPARENT = "traceparent"
MIN_QUEUE_S = 0.001
"""Shorter waits get no span of their own."""

NO_SPAN: Span = trace.INVALID_SPAN


@cache
def tracer() -> trace.Tracer:
    """The tracer of this program. It follows a provider that is set later."""
    return trace.get_tracer("barkserve")


def current_span() -> Span:
    """The span that this code runs in; `NO_SPAN` without one."""
    return trace.get_current_span()


def trace_id_of(span: Span) -> str:
    """The trace id of a span in hexadecimal; empty without a trace."""
    context = span.get_span_context()
    return trace.format_trace_id(context.trace_id) if context.is_valid else ""


def current_exemplar() -> dict[str, str] | None:
    """The labels of an exemplar that names the current span; None unless it is sampled."""
    context = current_span().get_span_context()
    if not context.trace_flags.sampled:
        return None
    return {
        "trace_id": trace.format_trace_id(context.trace_id),
        "span_id": trace.format_span_id(context.span_id),
    }


@contextmanager
def serving(name: str, headers: Mapping[str, str]) -> Iterator[Span]:
    """Run the block in the span of a request from outside, which ends with the block.

    Args:
        name: the name of the span.
        headers: those of the request, with lowercase names; they may hold a W3C trace context.
    """
    is_off = isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider)
    if is_off and TRACEPARENT not in headers:
        yield NO_SPAN
        return
    parent = TraceContextTextMapPropagator().extract(headers, Context())
    span = tracer().start_span(name, parent, SpanKind.SERVER)
    with trace.use_span(
        span, end_on_exit=True, record_exception=False, set_status_on_exception=False
    ):
        yield span


def start_span(
    parent: Span,
    name: str,
    kind: SpanKind = SpanKind.INTERNAL,
    attributes: Attributes | None = None,
) -> Span:
    """Start a span below another one. Without a recording parent, it is the parent's context."""
    return tracer().start_span(name, _below(parent), kind, attributes)


def add_span(
    parent: Span,
    name: str,
    start_ns: int,
    end_ns: int,
    attributes: Attributes | None = None,
    events: Iterable[tuple[str, int, Attributes]] = (),
) -> Span:
    """Add a span that has ended already.

    Args:
        parent: the span above it, which records.
        name: its name.
        start_ns: its start, in ns since 1970.
        end_ns: its end.
        attributes: its attributes.
        events: their names, times in ns since 1970, and attributes.
    """
    span = tracer().start_span(name, _below(parent), attributes=attributes, start_time=start_ns)
    for event, at_ns, described in events:
        span.add_event(event, described, at_ns)
    span.end(end_ns)
    return span


def address_attributes(address: str) -> Attributes:
    """The attributes that name a server.

    Args:
        address: host:port.
    """
    host, _, port = address.rpartition(":")
    return {"server.address": host, "server.port": int(port)}


def fail(span: Span, description: str) -> None:
    """Mark a span as failed."""
    span.set_status(Status(StatusCode.ERROR, description))


def headers_of(span: Span) -> tuple[tuple[str, str], ...]:
    """The W3C headers of calls that are made in a span; none without a trace."""
    if not span.get_span_context().is_valid:
        return ()
    headers: dict[str, str] = {}
    TraceContextTextMapPropagator().inject(headers, _below(span))
    return tuple(headers.items())


def now_ns() -> int:
    """The time in ns since 1970, as spans have it."""
    return time.time_ns()


def _below(parent: Span) -> Context:
    return trace.set_span_in_context(parent, Context())
