"""`barkclient bench`: measures a server under load and reports it, also when interrupted."""

import sys
from pathlib import Path

from barkclient.bench.benchmark import Benchmark
from barkclient.bench.plot import check_matplotlib, draw
from barkclient.bench.report import render_json
from barkclient.bench.table import render
from barkclient.cli.bench_arguments import BenchArguments
from barkclient.cli.files import check_files, naming
from barkclient.cli.interruptible import run_to_end_or_interrupt
from barkclient.errors import ServerError


def bench(arguments: BenchArguments) -> None:
    """Measures and reports; raises if no stream at all has finished."""
    benchmark = Benchmark(arguments.plan(), arguments.server, sys.stderr, arguments.secured())
    check_files(arguments.json, arguments.plot)
    if arguments.plot is not None:
        check_matplotlib()
    interrupted = run_to_end_or_interrupt(benchmark.run())
    _report(arguments, benchmark, interrupted=interrupted)
    if interrupted:
        raise KeyboardInterrupt
    failure = benchmark.failure()
    if failure is not None:
        raise ServerError(f"every stream failed: {failure}")


def _report(arguments: BenchArguments, benchmark: Benchmark, *, interrupted: bool) -> None:
    """The files before the table, whose pipe may be closed; the table even if they fail."""
    try:
        if arguments.json is not None:
            report = render_json(benchmark, raw=arguments.raw, interrupted=interrupted)
            with naming(arguments.json):
                Path(arguments.json).write_text(report, "utf-8")
        if arguments.plot is not None:
            with naming(arguments.plot):
                draw(benchmark.summaries(), arguments.plot, _title(benchmark))
    finally:
        if benchmark.runs:
            print(render(benchmark.summaries()), *_verdict(benchmark), sep="\n", flush=True)


def _verdict(benchmark: Benchmark) -> list[str]:
    return [f"saturation: {benchmark.search.verdict()}"] if benchmark.search else []


def _title(benchmark: Benchmark) -> str:
    model = benchmark.started.model if benchmark.started else "nothing heard"
    return f"barkclient bench: {model} at {benchmark.server}"
