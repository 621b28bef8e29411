"""Measures the CPU time that traces cost: `python -m benchmarks.tracing`.

It runs `barkserve up` with and without a receiver of traces, alternately, and speaks a text a few
times. CPU times are those of all services, less those of a run that speaks once.
"""

import argparse
import resource
import subprocess
import sys
from statistics import median

from fixtures.otlp_receiver import receiving_traces

_TEXT = "The quick brown fox jumps over the lazy dog, and the dog does not even wake up."
_SPEAK = """
import os, sys, barkclient
with barkclient.Client(os.environ["BARKCLIENT_SERVER"]) as client:
    for seed in range(int(sys.argv[1])):
        for chunk in client.synthesize(sys.argv[2], seed=1):
            pass
"""


def main() -> None:
    """Print the CPU seconds per request, and the share that traces add."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.tracing")
    parser.add_argument("--requests", type=int, default=12)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    with receiving_traces() as receiver:
        costs: dict[str, list[float]] = {"": [], receiver.endpoint: []}
        for _ in range(arguments.rounds):
            for endpoint, seconds in costs.items():
                seconds.append(_per_request(arguments.requests, endpoint))
        without, traced = (median(seconds) for seconds in costs.values())
        requests = arguments.rounds * (arguments.requests + 2)
        print(f"spans per request: {len(receiver.spans()) / requests:.0f}")
    print(f"CPU seconds per request: {without:.4f} without traces, {traced:.4f} with all traced")
    print(f"traces add {traced / without - 1:+.1%}")


def _per_request(requests: int, endpoint: str) -> float:
    return (_cpu_s(requests + 1, endpoint) - _cpu_s(1, endpoint)) / requests


def _cpu_s(requests: int, endpoint: str) -> float:
    """CPU seconds of all services and the client."""
    words = [sys.executable, "-m", "barkserve", "up", "--port=0", "--metrics-port=0"]
    words += ["--wyoming-port=0", "--http-port=0", "--threads=1", f"--otlp-endpoint={endpoint}"]
    words += ["--", sys.executable, "-c", _SPEAK, str(requests), _TEXT]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(words, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


if __name__ == "__main__":
    main()
