"""Compare the load that the stages serve in real time with ten times that load, side by side.

    python -m benchmarks.overload
    python -m benchmarks.overload --admission count
    python -m benchmarks.overload --server localhost:50051 --streams 3

Without --server it runs all services with models that only sleep. The numbers of one run can be
compared with each other; those of different machines cannot.
"""

import argparse
import asyncio
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.overload.measurement import Measurement, measure
from benchmarks.overload.system import CAPACITY, slow_system

ROWS: tuple[tuple[str, Callable[[Measurement], str]], ...] = (
    ("clients", lambda each: f"{each.clients}"),
    ("accepted", lambda each: f"{each.accepted}"),
    ("refused", lambda each: f"{each.refused}"),
    ("failed", lambda each: f"{each.failed}"),
    ("clean, of accepted", lambda each: f"{each.clean_share:.0%}"),
    ("longest underrun", lambda each: f"{each.longest_underrun_s:.2f} s"),
    ("goodput, s/s", lambda each: f"{each.goodput:.2f}"),
)


async def run(arguments: argparse.Namespace) -> str:
    """Measure both loads and return a table."""
    loads = (arguments.streams, 10 * arguments.streams)
    if arguments.server:
        measured = await measure(arguments.server, loads, arguments.seconds, voice=None)
        return table(measured)
    with tempfile.TemporaryDirectory() as folder:
        flag = f"--admission={arguments.admission}"
        async with slow_system(Path(folder), flag) as system:
            await measure(system.address, loads[:1], arguments.seconds / 2)
            before = system.resident_mib
            measured = await measure(system.address, loads, arguments.seconds)
            memory = f"orchestrator: {before:.0f} MiB before, {system.resident_mib:.0f} MiB after"
    return f"{table(measured)}\n{memory}"


def table(measured: Sequence[Measurement]) -> str:
    """Render one column for each load."""
    lines = [("", *(f"{each.clients // measured[0].clients}x" for each in measured))]
    lines += [(name, *(show(each) for each in measured)) for name, show in ROWS]
    return "\n".join(f"{name:20}" + "".join(f"{cell:>10}" for cell in row) for name, *row in lines)


def main() -> None:
    """Run the benchmark from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--server", help="HOST:PORT of a running orchestrator")
    parser.add_argument("--streams", type=int, default=CAPACITY, help="clients of the 1x load")
    parser.add_argument("--seconds", type=float, default=20.0, help="duration of each load")
    parser.add_argument("--admission", choices=("rate", "count"), default="rate")
    print(asyncio.run(run(parser.parse_args())))


if __name__ == "__main__":
    main()
