"""The results file of a benchmark: method, one result per level, and that of a search."""

import os
import platform
from dataclasses import asdict
from typing import Any

from barkclient._version import __version__
from barkclient.bench.benchmark import Benchmark
from barkclient.bench.level_run import LevelRun
from barkclient.bench.results import Result, Results, Status
from barkclient.bench.stream import StreamRecord
from barkclient.bench.summary import LevelSummary, summarize

LOAD = "load"
SATURATION = "saturation"

_DETAILS = ("errors", "reasons", "stopped_early")
_NO_METRICS = ("level", "complete", *_DETAILS)


def results_of(benchmark: Benchmark, *, raw: bool = False) -> Results:
    """Return the results so far.

    Args:
        benchmark: complete or interrupted.
        raw: add every stream with every chunk to the details.
    """
    started = benchmark.started
    method = asdict(benchmark.plan) | {
        "server": benchmark.server,
        "model": started.model if started else None,
        "voice": started.voice if started else benchmark.plan.voice,
        "delivery": "streaming",
        "encoding": "pcm16",
    }
    machine = {
        "role": "client",
        "system": platform.platform(terse=True),
        "processor": platform.machine(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "barkclient": __version__,
    }
    levels = [_level(run, raw=raw) for run in benchmark.runs]
    results = Results("barkclient bench", machine, method)
    return results.with_results([*levels, *_saturation(benchmark)])


def verdict(benchmark: Benchmark) -> str | None:
    """Describe the result of a search in one sentence; None: there was none."""
    search = benchmark.search
    if search is None:
        return None
    unit = "streams at once" if benchmark.plan.loop == "closed" else "streams per second"
    ending = "; the time was up before the search was complete" * benchmark.out_of_time
    if search.sustained is None and search.failed is None:
        return f"no load was measured{ending}"
    if search.sustained is None:
        return f"not even {search.failed:g} {unit} are sustained{ending}"
    if search.failed is None:
        return f"{search.sustained:g} {unit} are sustained; more were not tried{ending}"
    return f"{search.sustained:g} {unit} are sustained, {search.failed:g} are not{ending}"


def _level(run: LevelRun, *, raw: bool) -> Result:
    summary = summarize(run)
    values = asdict(summary)
    details = {name: values[name] for name in _DETAILS}
    if raw:
        details["streams"] = [_stream(stream) for stream in run.streams]
    return Result(
        LOAD,
        asdict(run.level),
        {name: value for name, value in values.items() if name not in _NO_METRICS},
        _status(summary),
        "; ".join(f"{count} failed with {name}" for name, count in summary.errors.items()),
        details,
    )


def _status(summary: LevelSummary) -> Status:
    if not summary.complete:
        return "interrupted"
    return "failed" if summary.failed and not summary.finished else "ok"


def _saturation(benchmark: Benchmark) -> list[Result]:
    search, plan = benchmark.search, benchmark.plan
    if search is None:
        return []
    metrics = {"sustained_load": search.sustained, "failed_load": search.failed}
    status: Status = "timeout" if benchmark.out_of_time else "ok"
    case = {"loop": plan.loop, "goal": "c100_share >= 0.99"}
    return [Result(SATURATION, case, metrics, status, verdict(benchmark) or "")]


def _stream(stream: StreamRecord) -> dict[str, Any]:
    """Convert a stream; arrivals are pairs: seconds since its begin, seconds of audio."""
    return asdict(stream) | {
        "arrivals": [[arrival.at_s, arrival.audio_s] for arrival in stream.arrivals]
    }
