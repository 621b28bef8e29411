"""The JSON report of a benchmark: method, results, and on request every chunk."""

import json
import platform
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from barkclient._version import __version__
from barkclient.bench.benchmark import Benchmark
from barkclient.bench.level_run import LevelRun
from barkclient.bench.stream import StreamRecord
from barkclient.bench.summary import summarize

_DIGITS = 6  # after the decimal point: microseconds


def render_json(benchmark: Benchmark, *, raw: bool, interrupted: bool) -> str:
    """Render the report. `raw` adds every stream with every chunk."""
    search, started = benchmark.search, benchmark.started
    report = {
        "benchmark": "barkclient bench",
        "version": __version__,
        "ended_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "client": {"python": platform.python_version(), "machine": platform.machine()},
        "server": benchmark.server,
        "model": started.model if started else None,
        "voice": started.voice if started else None,
        "method": asdict(benchmark.plan) | {"delivery": "streaming", "encoding": "pcm16"},
        "interrupted": interrupted,
        "failure": failed.message if (failed := benchmark.failure()) else None,
        "levels": [_level(run, raw=raw) for run in benchmark.runs],
        "saturation": search and {"sustained": search.sustained, "failed": search.failed},
    }
    return json.dumps(_rounded(report), indent=2, ensure_ascii=False) + "\n"


def _level(run: LevelRun, *, raw: bool) -> dict[str, Any]:
    streams = {"streams": [_stream(stream) for stream in run.streams]} if raw else {}
    return asdict(summarize(run)) | streams


def _stream(stream: StreamRecord) -> dict[str, Any]:
    """Convert a stream; arrivals are pairs: seconds since its begin, seconds of audio."""
    return asdict(stream) | {
        "arrivals": [[arrival.at_s, arrival.audio_s] for arrival in stream.arrivals]
    }


def _rounded(value: Any) -> Any:
    match value:
        case float():
            return round(value, _DIGITS)
        case dict():
            return {key: _rounded(entry) for key, entry in value.items()}
        case list() | tuple():
            return [_rounded(entry) for entry in value]
    return value
