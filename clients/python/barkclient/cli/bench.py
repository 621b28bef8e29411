"""`barkclient bench`: measures a server under load. Ctrl-C ends it with a partial report."""

import sys
from pathlib import Path

from barkclient.bench.benchmark import Benchmark
from barkclient.bench.plot import check_matplotlib, draw
from barkclient.bench.report import results_of, verdict
from barkclient.bench.table import render
from barkclient.cli.bench_arguments import BenchArguments
from barkclient.cli.files import check_files, naming
from barkclient.cli.interruptible import run_to_end_or_interrupt
from barkclient.errors import ServerError, ServerUnavailable


def bench(arguments: BenchArguments) -> None:
    """Run a benchmark and report it.

    Raises:
        ServerUnavailable, ServerError: every stream failed.
        KeyboardInterrupt: Ctrl-C ended it; the report is written.
    """
    benchmark = Benchmark(arguments.plan(), arguments.server, sys.stderr, arguments.connection())
    check_files(arguments.json, arguments.plot)
    if arguments.plot is not None:
        check_matplotlib()
    interrupted = run_to_end_or_interrupt(benchmark.run())
    _report(arguments, benchmark)
    if interrupted:
        raise KeyboardInterrupt
    failure = benchmark.failure()
    if failure is not None:
        kind = ServerUnavailable if failure.status == "UNAVAILABLE" else ServerError
        raise kind(f"every stream failed: {failure.message}")


def _report(arguments: BenchArguments, benchmark: Benchmark) -> None:
    """Write the files, then print the table, even if a file cannot be written."""
    try:
        if arguments.json is not None:
            report = results_of(benchmark, raw=arguments.raw).to_json()
            with naming(arguments.json):
                Path(arguments.json).write_text(report, "utf-8")
        if arguments.plot is not None:
            with naming(arguments.plot):
                draw(benchmark.summaries(), arguments.plot, _title(benchmark))
    finally:
        if benchmark.runs:
            print(render(benchmark.summaries()), *_verdict(benchmark), sep="\n", flush=True)


def _verdict(benchmark: Benchmark) -> list[str]:
    sentence = verdict(benchmark)
    return [] if sentence is None else [f"saturation: {sentence}"]


def _title(benchmark: Benchmark) -> str:
    model = benchmark.started.model if benchmark.started else "unknown model"
    return f"barkclient bench: {model} at {benchmark.server}"
