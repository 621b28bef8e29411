"""Speaks in pairs of requests, without and with a trace, and writes what each cost.

`barkserve up` starts it: `python -m benchmarks.tracing.requests PAIRS FILE`.
"""

import json
import os
import secrets
import sys
import time
from pathlib import Path

from opentelemetry import trace

import barkclient
from benchmarks.host.processes import Usage

TEXT = "The quick brown fox jumps over the lazy dog, and the dog does not even wake up."
EXPORT_S = 1.0  # spans are exported every 0.5 s


def main() -> None:
    """Write a list of pairs: CPU seconds without and with a trace."""
    pairs, times = int(sys.argv[1]), Path(sys.argv[2])
    with barkclient.Client(os.environ["BARKCLIENT_SERVER"]) as client:
        _speak(client, sampled=False)  # warm
        measured = []
        for _ in range(pairs):
            measured.append([_cost(client, sampled) for sampled in (False, True)])
            print(f"{len(measured)} of {pairs} pairs", file=sys.stderr, flush=True)
    times.write_text(json.dumps(measured))


def _cost(client: barkclient.Client, sampled: bool) -> float:
    """CPU seconds of all services for one request and the export of its spans."""
    before = _services_cpu_s()
    _speak(client, sampled)
    time.sleep(EXPORT_S)
    return _services_cpu_s() - before


def _speak(client: barkclient.Client, sampled: bool) -> None:
    flags = trace.TraceFlags(trace.TraceFlags.SAMPLED if sampled else trace.TraceFlags.DEFAULT)
    context = trace.SpanContext(secrets.randbits(128), secrets.randbits(64), True, flags)
    with trace.use_span(trace.NonRecordingSpan(context)):
        for _ in client.synthesize(TEXT, seed=1):
            pass


def _services_cpu_s() -> float:
    """CPU seconds of the other processes that this process's parent started."""
    total = 0.0
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            lines = status.read_text().splitlines()
        except OSError:
            continue  # the process ended
        parent = next(int(line.split()[1]) for line in lines if line.startswith("PPid:"))
        pid = int(status.parent.name)
        if parent == os.getppid() and pid != os.getpid():
            total += Usage.of(pid).cpu_s
    return total


if __name__ == "__main__":
    main()
