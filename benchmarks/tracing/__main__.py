"""Measures the CPU time that traces cost: `python -m benchmarks.tracing`.

One `barkserve up` exports to a receiver of traces. A client speaks the same text many times, and
asks for a trace in every second request by its W3C trace context. The two requests of a pair are
compared by the CPU time of all services, so the load of the machine hardly matters. That time
varies by more than traces cost, so the SDK's own time for as many spans is measured, too.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from fixtures.otlp_receiver import receiving_traces

SPANS = 5000
ATTRIBUTES = [f"attribute.{number}" for number in range(8)]


def main() -> None:
    """Print the CPU seconds per request, and the share that traces add."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.tracing")
    parser.add_argument("--pairs", type=int, default=30)
    parser.add_argument("--out", type=Path, help="file for the result, as JSON")
    arguments = parser.parse_args()
    with receiving_traces() as receiver, tempfile.TemporaryDirectory() as folder:
        times = Path(folder) / "times.json"
        words = [sys.executable, "-m", "barkserve", "up", "--port=0", "--metrics-port=0"]
        words += ["--wyoming-port=0", "--http-port=0", "--threads=1"]
        words += [f"--otlp-endpoint={receiver.endpoint}"]
        words += ["--", sys.executable, "-m", "benchmarks.tracing.requests"]
        environment = os.environ | {"OTEL_BSP_SCHEDULE_DELAY": "500"}  # ms between two exports
        subprocess.run([*words, str(arguments.pairs), str(times)], check=True, env=environment)
        plain, traced = np.array(json.loads(times.read_text())).T
        spans = len(receiver.spans()) / arguments.pairs
        span_s = span_cpu_s(receiver.endpoint)
    result = {
        "spans_per_request": round(spans),
        **added(plain, traced),
        "sdk_cpu_seconds_per_span": span_s,
        "sdk_added": spans * span_s / float(plain.mean()),
    }
    print(json.dumps(result, indent=1))
    if arguments.out:
        arguments.out.write_text(json.dumps(result, indent=1) + "\n")


def added(plain: np.ndarray, traced: np.ndarray) -> dict[str, float]:
    """Return what traces add.

    Args:
        plain: CPU seconds of each request without a trace, (pairs,).
        traced: CPU seconds of the request after it, with a trace, (pairs,).

    Returns:
        The mean CPU seconds of a request, the share that a trace adds to it, and half the width
        of that share's 95% confidence interval.
    """
    base, difference = float(plain.mean()), traced - plain
    error = float(difference.std(ddof=1)) / len(difference) ** 0.5
    return {
        "pairs": len(plain),
        "cpu_seconds_per_request": base,
        "added": float(difference.mean()) / base,
        "added_95_percent": 1.96 * error / base,
    }


def span_cpu_s(endpoint: str) -> float:
    """Return the CPU seconds to record, export and receive a span with attributes."""
    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint)))
    tracer = provider.get_tracer(__name__)
    before = time.process_time()
    for number in range(SPANS):
        with tracer.start_as_current_span("burst") as span:
            span.set_attributes(dict.fromkeys(ATTRIBUTES, number))
        if number % 500 == 0:  # the SDK's queue holds 2048 spans
            provider.force_flush()
    provider.shutdown()
    return (time.process_time() - before) / SPANS


if __name__ == "__main__":
    main()
