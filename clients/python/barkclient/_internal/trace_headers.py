"""The W3C trace context of an application that uses OpenTelemetry."""

import sys
from collections.abc import Iterator


def trace_headers() -> Iterator[tuple[str, str]]:
    """Yield the headers of the span that this code runs in.

    An application that has not imported OpenTelemetry has no span.
    """
    if "opentelemetry.trace" not in sys.modules:
        return
    from opentelemetry.propagate import inject  # imported lazily: optional

    headers: dict[str, str] = {}
    inject(headers)
    yield from headers.items()
